alter table event add column trigger_key text collate "C" not null default '';
alter table event add column subject text collate "C" not null default '';
alter table event add column new_files bigint not null default 0;
alter table event add column new_rows bigint not null default 0;
alter table event add column new_bytes bigint not null default 0;
alter table event add column detail text collate "C" not null default '{}';
alter table event add column accepted text collate "C";
alter table event add column ended text collate "C";
drop trigger event_ends_once on event;
update event set accepted = at, ended = case when state = 'pending' then null else at end;
create trigger event_ends_once before update on event for each row when (old.state <> 'pending')
  execute function refuse_change('an event ends once');
drop index event_waiting;
create index event_waiting on event (model, environment, place) where run is null and state = 'pending';
create index event_of_model on event (model, place);
create index event_of_state on event (state, place);
create index event_of_model_by_state on event (model, state, place);
create index event_ended on event (ended, place) where ended is not null;

alter table run add column hold bigint not null default 0;
alter table run add column commit_hash text collate "C";
alter table run add column release_name text collate "C";
alter table run add column cause text collate "C" not null default 'api';
alter table run add column cancelled_by text collate "C";
alter table run add column cancel_reason text collate "C";
alter table run add column cancelled_at text collate "C";
create index run_open on run (place) where state <> 'ended';
create index run_that_counts on run (model, environment, started)
  where coalesce(outcome, '') not in ('skipped', 'cancelled');

create table backlog (
  model text collate "C" not null,
  environment text collate "C" not null,
  trigger_key text collate "C" not null,
  kind text collate "C" not null,
  events bigint not null,
  first_at text collate "C" not null,
  last_at text collate "C" not null,
  new_files bigint not null,
  new_rows bigint not null,
  new_bytes bigint not null,
  primary key (model, environment, kind, trigger_key)
);
insert into backlog
  select model, environment, trigger_key, kind, count(*), min(at), max(at), 0, 0, 0 from event
  where run is null and state = 'pending' group by model, environment, trigger_key, kind;

create table unconsumed (
  run text collate "C" not null primary key references run (id),
  model text collate "C" not null,
  environment text collate "C" not null,
  new_files bigint not null,
  new_rows bigint not null,
  new_bytes bigint not null
);
create index unconsumed_of_environment on unconsumed (model, environment);

create table mark (
  key text collate "C" not null primary key,
  value text collate "C" not null
);

create table pause (
  model text collate "C" not null,
  environment text collate "C" not null,
  actor text collate "C" not null,
  reason text collate "C" not null,
  since text collate "C" not null,
  primary key (model, environment)
);
