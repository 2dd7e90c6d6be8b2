-- Windows that all nodes count together (rate-limiting and response-ratelimiting with policy cluster). No entity: nobody
-- is told when a row changes. Rows whose ttl has passed are removed by whoever counts (gateway/store/usage_rows.c).

CREATE TABLE ratelimiting_metrics (
  identifier  text NOT NULL,
  period      text NOT NULL,
  period_date timestamptz NOT NULL,
  service_id  uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
  route_id    uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
  value       bigint NOT NULL,
  ttl         timestamptz NOT NULL,
  CONSTRAINT ratelimiting_metrics_pkey PRIMARY KEY (identifier, period, period_date, service_id, route_id)
) WITH (fillfactor = 70);
CREATE INDEX ratelimiting_metrics_ttl ON ratelimiting_metrics (ttl);
