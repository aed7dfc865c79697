-- Whether a look may come from an old copy is told by when the last one was.
alter table mirror drop column doubted_at;
