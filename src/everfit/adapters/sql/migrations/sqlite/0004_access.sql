create table token (
  place integer primary key autoincrement,
  id text not null unique,
  name text not null,
  role text not null,
  digest text not null,
  created text not null,
  expires text,
  revoked text,
  used text
);
create unique index token_of_name on token (name) where revoked is null;

create table reply (
  caller text not null,
  key text not null,
  digest text not null,
  owner text not null,
  begun text not null,
  plan text,
  status integer,
  body text,
  primary key (caller, key)
);
create index reply_begun on reply (begun);

create table tally (
  model text not null,
  environment text not null,
  outcome text not null,
  runs integer not null,
  newest text not null,
  primary key (model, environment, outcome)
);
insert into tally select model, environment, outcome, count(*), max(ended) from run
  where state = 'ended' group by model, environment, outcome;
create trigger run_is_counted after update on run when new.state = 'ended'
begin
  insert into tally (model, environment, outcome, runs, newest)
    values (new.model, new.environment, new.outcome, 1, new.ended)
    on conflict (model, environment, outcome) do update set runs = runs + 1, newest = max(newest, excluded.newest);
end;

create index served_since on served (model, environment, since, place);
create index served_of_version on served (model, version, place);
