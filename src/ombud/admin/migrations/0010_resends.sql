-- Who has sent a delivery again is shown with it.
create index audit_entry_resend on audit_entry(target, id) where action = 'delivery.resend';
