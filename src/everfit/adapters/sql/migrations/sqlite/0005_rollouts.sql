create table rollout (
  place integer primary key autoincrement,
  run text not null unique references run (id),
  model text not null,
  environment text not null,
  content text not null,
  ended text
);
create unique index rollout_under_way on rollout (model, environment) where ended is null;
create index rollout_of_environment on rollout (model, environment, place);
create trigger rollout_ends_once before update on rollout when old.ended is not null
begin select raise(abort, 'a rollout that has ended never moves'); end;
create trigger rollout_is_kept before delete on rollout
begin select raise(abort, 'rollouts are kept'); end;

create table rollout_order (
  place integer primary key autoincrement,
  run text not null references rollout (run),
  kind text not null,
  actor text not null,
  reason text not null,
  at text not null
);
create index order_of_rollout on rollout_order (run, place);
create trigger rollout_order_is_immutable before update on rollout_order
begin select raise(abort, 'an order is immutable'); end;
create trigger rollout_order_is_kept before delete on rollout_order
begin select raise(abort, 'orders are kept'); end;
