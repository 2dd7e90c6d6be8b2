-- The core entities. bus/log_table.sql runs before this text, in the same step.
-- Columns follow the schemas of gateway/model: a foreign field f is the column f_id, the rest keep their names.
-- Names of constraints are read by gateway/store/errors.c: <table>_pkey, <table>_<field>_key, <table>_<field>_id_fkey
-- and <table>_together_key.

CREATE TABLE workspaces (
  id         uuid   CONSTRAINT workspaces_pkey PRIMARY KEY,
  name       text   NOT NULL CONSTRAINT workspaces_name_key UNIQUE,
  created_at bigint NOT NULL,
  updated_at bigint NOT NULL
);
COMMENT ON TABLE workspaces IS 'one row, "default"; its id is part of most cache keys';
INSERT INTO workspaces (id, name, created_at, updated_at)
VALUES ('5b1e0000-0000-4000-8000-000000000001', 'default',
        floor(extract(epoch FROM clock_timestamp())), floor(extract(epoch FROM clock_timestamp())));

CREATE TABLE services (
  id                    uuid CONSTRAINT services_pkey PRIMARY KEY,
  ws_id                 uuid NOT NULL DEFAULT '5b1e0000-0000-4000-8000-000000000001'
                        CONSTRAINT services_ws_id_fkey REFERENCES workspaces ON DELETE RESTRICT,
  created_at            bigint,
  updated_at            bigint,
  name                  text,
  retries               bigint,
  protocol              text,
  host                  text,
  port                  bigint,
  path                  text,
  connect_timeout       bigint,
  write_timeout         bigint,
  read_timeout          bigint,
  tags                  text[],
  client_certificate_id uuid,
  tls_verify            boolean,
  tls_verify_depth      bigint,
  ca_certificates       text[],
  enabled               boolean,
  CONSTRAINT services_name_key UNIQUE (name, ws_id)
);
CREATE INDEX services_tags ON services USING gin (tags);

CREATE TABLE routes (
  id                         uuid CONSTRAINT routes_pkey PRIMARY KEY,
  ws_id                      uuid NOT NULL DEFAULT '5b1e0000-0000-4000-8000-000000000001'
                             CONSTRAINT routes_ws_id_fkey REFERENCES workspaces ON DELETE RESTRICT,
  created_at                 bigint,
  updated_at                 bigint,
  name                       text,
  protocols                  text[],
  methods                    text[],
  hosts                      text[],
  paths                      text[],
  headers                    jsonb,
  https_redirect_status_code bigint,
  regex_priority             bigint,
  strip_path                 boolean,
  path_handling              text,
  preserve_host              boolean,
  request_buffering          boolean,
  response_buffering         boolean,
  snis                       text[],
  sources                    jsonb,
  destinations               jsonb,
  tags                       text[],
  service_id                 uuid CONSTRAINT routes_service_id_fkey REFERENCES services ON DELETE RESTRICT,
  CONSTRAINT routes_name_key UNIQUE (name, ws_id)
);
CREATE INDEX routes_tags ON routes USING gin (tags);
CREATE INDEX routes_service_id ON routes (service_id, id);

CREATE TABLE consumers (
  id         uuid CONSTRAINT consumers_pkey PRIMARY KEY,
  ws_id      uuid NOT NULL DEFAULT '5b1e0000-0000-4000-8000-000000000001'
             CONSTRAINT consumers_ws_id_fkey REFERENCES workspaces ON DELETE RESTRICT,
  created_at bigint,
  updated_at bigint,
  username   text,
  custom_id  text,
  tags       text[],
  CONSTRAINT consumers_username_key UNIQUE (username, ws_id),
  CONSTRAINT consumers_custom_id_key UNIQUE (custom_id, ws_id)
);
CREATE INDEX consumers_tags ON consumers USING gin (tags);

CREATE TABLE plugins (
  id            uuid CONSTRAINT plugins_pkey PRIMARY KEY,
  ws_id         uuid NOT NULL DEFAULT '5b1e0000-0000-4000-8000-000000000001'
                CONSTRAINT plugins_ws_id_fkey REFERENCES workspaces ON DELETE RESTRICT,
  created_at    bigint,
  updated_at    bigint,
  name          text,
  instance_name text,
  route_id      uuid CONSTRAINT plugins_route_id_fkey REFERENCES routes ON DELETE RESTRICT,
  service_id    uuid CONSTRAINT plugins_service_id_fkey REFERENCES services ON DELETE RESTRICT,
  consumer_id   uuid CONSTRAINT plugins_consumer_id_fkey REFERENCES consumers ON DELETE RESTRICT,
  config        jsonb,
  protocols     text[],
  enabled       boolean,
  tags          text[],
  CONSTRAINT plugins_instance_name_key UNIQUE (instance_name, ws_id)
);
-- NULLs must clash: the same plugin twice on the same scope is an error, "no scope" included.
CREATE UNIQUE INDEX plugins_together_key ON plugins (
  name,
  coalesce(route_id, '00000000-0000-0000-0000-000000000000'),
  coalesce(service_id, '00000000-0000-0000-0000-000000000000'),
  coalesce(consumer_id, '00000000-0000-0000-0000-000000000000'),
  ws_id
);
CREATE INDEX plugins_tags ON plugins USING gin (tags);
CREATE INDEX plugins_route_id ON plugins (route_id, id);
CREATE INDEX plugins_service_id ON plugins (service_id, id);
CREATE INDEX plugins_consumer_id ON plugins (consumer_id, id);
