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
create index notice_unaddressed on notice (place) where addressed is null;
create index notice_of_cause on notice (model, cause, place);

create table delivery (
  place integer primary key autoincrement,
  notice text not null references notice (id),
  channel text not null,
  state text not null,
  attempts integer not null,
  due text,
  error text,
  ended text,
  unique (notice, channel)
);
create index delivery_due on delivery (due, place) where state = 'waiting';
