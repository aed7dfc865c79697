-- Arrivals and runs of a receiver are done again by such a job, too. `box`: what the job is about; 1 are a sender's deliveries.
alter table resending add column box integer not null default 1;
