alter table event add column trigger_key text not null default '';
alter table event add column subject text not null default '';
alter table event add column new_files integer not null default 0;
alter table event add column new_rows integer not null default 0;
alter table event add column new_bytes integer not null default 0;
alter table event add column detail text not null default '{}';
alter table event add column accepted text;
alter table event add column ended text;
drop trigger event_ends_once;
update event set accepted = at, ended = case when state = 'pending' then null else at end;
create trigger event_ends_once before update on event when old.state <> 'pending'
begin select raise(abort, 'an event ends once'); end;
drop index event_waiting;
create index event_waiting on event (model, environment, place) where run is null and state = 'pending';
create index event_of_model on event (model, place);
create index event_of_state on event (state, place);
create index event_of_model_by_state on event (model, state, place);
create index event_ended on event (ended, place) where ended is not null;

alter table run add column hold integer not null default 0;
alter table run add column commit_hash text;
alter table run add column release_name text;
alter table run add column cause text not null default 'api';
alter table run add column cancelled_by text;
alter table run add column cancel_reason text;
alter table run add column cancelled_at text;
create index run_open on run (place) where state <> 'ended';
create index run_that_counts on run (model, environment, started)
  where coalesce(outcome, '') not in ('skipped', 'cancelled');

create table backlog (
  model text not null,
  environment text not null,
  trigger_key text not null,
  kind text not null,
  events integer not null,
  first_at text not null,
  last_at text not null,
  new_files integer not null,
  new_rows integer not null,
  new_bytes integer not null,
  primary key (model, environment, kind, trigger_key)
);
insert into backlog
  select model, environment, trigger_key, kind, count(*), min(at), max(at), 0, 0, 0 from event
  where run is null and state = 'pending' group by model, environment, trigger_key, kind;

create table unconsumed (
  run text not null primary key references run (id),
  model text not null,
  environment text not null,
  new_files integer not null,
  new_rows integer not null,
  new_bytes integer not null
);
create index unconsumed_of_environment on unconsumed (model, environment);

create table mark (
  key text not null primary key,
  value text not null
);

create table pause (
  model text not null,
  environment text not null,
  actor text not null,
  reason text not null,
  since text not null,
  primary key (model, environment)
);
