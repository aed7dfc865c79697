-- What has disabled itself is looked for every few seconds.
create index endpoint_disabled on endpoint(disabled_at) where disabled_reason is not null and deleted_at is null;
