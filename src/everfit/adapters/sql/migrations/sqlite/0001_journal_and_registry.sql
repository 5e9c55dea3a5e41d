create table lease (
  model text not null,
  environment text not null,
  owner text,
  fence integer not null,
  run text,
  since text not null,
  renewed text not null,
  expires text not null,
  primary key (model, environment)
);

create table run (
  place integer primary key autoincrement,
  id text not null unique,
  model text not null,
  environment text not null,
  state text not null,
  started text not null,
  fence integer not null,
  force integer not null,
  accept_schema integer not null,
  actor text not null,
  promote integer,
  outcome text,
  reason text,
  waits_for text,
  version integer,
  error text,
  ended text
);
create index run_of_model on run (model, place);
create index run_of_environment on run (model, environment, place);
create index run_unfinished on run (model, environment, place) where state <> 'ended';
create trigger run_ended_never_moves before update on run when old.state = 'ended'
begin select raise(abort, 'a run that has ended never moves'); end;
create trigger run_is_kept before delete on run
begin select raise(abort, 'runs are kept'); end;

create table step (
  run text not null references run (id),
  place integer not null,
  name text not null,
  outcome text not null,
  attempt integer not null,
  started text not null,
  ended text,
  result text,
  error text,
  primary key (run, name)
);
create trigger step_done_never_moves before update on step when old.outcome = 'done'
begin select raise(abort, 'a step that is done never moves'); end;

create table event (
  place integer primary key autoincrement,
  id text not null,
  kind text not null,
  model text not null,
  environment text not null,
  actor text not null,
  at text not null,
  state text not null,
  run text references run (id),
  reason text,
  unique (model, environment, id)
);
create index event_of_environment on event (model, environment, place);
create index event_waiting on event (model, environment, place) where run is null;
create index event_of_run on event (run, place) where run is not null;
create trigger event_ends_once before update on event when old.state <> 'pending'
begin select raise(abort, 'an event ends once'); end;

create table version (
  model text not null,
  number integer not null,
  artifact text not null,
  size integer not null,
  run text not null unique,
  snapshot text not null,
  code text not null,
  config text not null,
  created text not null,
  lineage text not null,
  metrics text not null,
  claims text not null,
  forgotten text,
  primary key (model, number)
);
create trigger version_is_immutable before update of
  model, number, artifact, size, run, snapshot, code, config, created, lineage, metrics, claims on version
begin select raise(abort, 'a version is immutable'); end;
create trigger version_is_kept before delete on version
begin select raise(abort, 'versions are kept'); end;

create table verdict (
  id text not null,
  model text not null,
  environment text not null,
  version integer not null,
  outcome text not null,
  content text not null,
  primary key (model, environment, version, id),
  foreign key (model, version) references version (model, number)
);
create trigger verdict_is_immutable before update on verdict
begin select raise(abort, 'a verdict is immutable'); end;
create trigger verdict_is_kept before delete on verdict
begin select raise(abort, 'verdicts are kept'); end;

create table approval (
  model text not null,
  environment text not null,
  version integer not null,
  verdict text not null,
  approved integer not null,
  actor text not null,
  reason text not null,
  at text not null,
  primary key (model, environment, version, verdict),
  foreign key (model, environment, version, verdict) references verdict (model, environment, version, id)
);
create trigger approval_is_immutable before update on approval
begin select raise(abort, 'a decision is immutable'); end;
create trigger approval_is_kept before delete on approval
begin select raise(abort, 'decisions are kept'); end;

create table placement (
  model text not null,
  environment text not null,
  version integer not null,
  standing text not null,
  verdict text not null,
  primary key (model, environment, version),
  foreign key (model, environment, version, verdict) references verdict (model, environment, version, id)
);

create table served (
  place integer primary key autoincrement,
  model text not null,
  environment text not null,
  version integer not null,
  since text not null,
  until text,
  reason text not null,
  actor text not null,
  run text,
  is_rollback integer not null,
  foreign key (model, version) references version (model, number)
);
create unique index served_champion on served (model, environment) where until is null;
create index served_of_model on served (model, place);
create index served_of_environment on served (model, environment, place);
create trigger served_is_history before update of
  model, environment, version, since, reason, actor, run, is_rollback on served
begin select raise(abort, 'history is immutable'); end;
create trigger served_ends_once before update of until on served when old.until is not null
begin select raise(abort, 'history is immutable'); end;
create trigger served_is_kept before delete on served
begin select raise(abort, 'history is kept'); end;
