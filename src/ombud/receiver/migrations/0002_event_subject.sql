-- The mailbox has made its table of events anew, and this index went with the old one.
create index if not exists event_subject on event(subject, id) where box > 1;
