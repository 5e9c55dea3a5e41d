create table notice (
  place integer primary key autoincrement,
  id text not null unique,
  kind text not null,
  model text not null,
  environment text,
  run text,
  cause text not null,
  at text not null,
  facts text not null,
  addressed text
);
create index notice_unaddressed on notice (model, place) where addressed is null;
create index notice_of_cause on notice (model, environment, cause, place);

create table delivery (
  place integer primary key autoincrement,
  notice text not null references notice (id),
  channel text not null,
  model text not null,
  environment text not null,
  thread text not null,
  kind text not null,
  cause text not null,
  state text not null,
  planned text not null,
  due text,
  attempts integer not null,
  error text,
  ended text,
  repeats integer not null,
  since text,
  unique (notice, channel)
);
create index delivery_due on delivery (due, place) where state = 'waiting';
create index delivery_of_cause on delivery (model, environment, channel, thread, kind, cause, place)
  where state <> 'muted';
create index delivery_held on delivery (model, environment, channel, thread) where state = 'waiting' and attempts = 0;
create index delivery_of_model on delivery (model, place);
create index delivery_of_state on delivery (state, place);
create index delivery_of_model_and_state on delivery (model, state, place);
create trigger delivery_ends_once before update on delivery when old.state in ('delivered', 'muted')
begin select raise(abort, 'what was delivered stays so'); end;

create table watched (
  model text not null,
  environment text not null,
  since text not null,
  primary key (model, environment)
);
