-- Certificates with their names, authorities, upstreams with their targets, keys with their sets, vaults.
-- Constraints are named as gateway/store/errors.h says.

CREATE TABLE certificates (
  id uuid CONSTRAINT certificates_pkey PRIMARY KEY,
  ws_id uuid NOT NULL DEFAULT '5b1e0000-0000-4000-8000-000000000001'
    CONSTRAINT certificates_ws_id_fkey REFERENCES workspaces ON DELETE RESTRICT,
  created_at bigint,
  updated_at bigint,
  cert text,
  key text,
  cert_alt text,
  key_alt text,
  tags text[]
);
CREATE INDEX certificates_tags ON certificates USING gin (tags);

CREATE TABLE snis (
  id uuid CONSTRAINT snis_pkey PRIMARY KEY,
  ws_id uuid NOT NULL DEFAULT '5b1e0000-0000-4000-8000-000000000001'
    CONSTRAINT snis_ws_id_fkey REFERENCES workspaces ON DELETE RESTRICT,
  name text,
  created_at bigint,
  updated_at bigint,
  tags text[],
  certificate_id uuid CONSTRAINT snis_certificate_id_fkey REFERENCES certificates ON DELETE RESTRICT,
  CONSTRAINT snis_name_key UNIQUE (name)
);
CREATE INDEX snis_tags ON snis USING gin (tags);
CREATE INDEX snis_certificate_id ON snis (certificate_id, id);

CREATE TABLE ca_certificates (
  id uuid CONSTRAINT ca_certificates_pkey PRIMARY KEY,
  ws_id uuid NOT NULL DEFAULT '5b1e0000-0000-4000-8000-000000000001'
    CONSTRAINT ca_certificates_ws_id_fkey REFERENCES workspaces ON DELETE RESTRICT,
  created_at bigint,
  updated_at bigint,
  cert text,
  cert_digest text,
  tags text[],
  CONSTRAINT ca_certificates_cert_digest_key UNIQUE (cert_digest)
);
CREATE INDEX ca_certificates_tags ON ca_certificates USING gin (tags);

CREATE TABLE upstreams (
  id uuid CONSTRAINT upstreams_pkey PRIMARY KEY,
  ws_id uuid NOT NULL DEFAULT '5b1e0000-0000-4000-8000-000000000001'
    CONSTRAINT upstreams_ws_id_fkey REFERENCES workspaces ON DELETE RESTRICT,
  created_at bigint,
  updated_at bigint,
  name text,
  algorithm text,
  hash_on text,
  hash_fallback text,
  hash_on_header text,
  hash_fallback_header text,
  hash_on_cookie text,
  hash_on_cookie_path text,
  hash_on_query_arg text,
  hash_fallback_query_arg text,
  hash_on_uri_capture text,
  hash_fallback_uri_capture text,
  slots bigint,
  healthchecks jsonb,
  tags text[],
  host_header text,
  client_certificate_id uuid CONSTRAINT upstreams_client_certificate_id_fkey REFERENCES certificates ON DELETE RESTRICT,
  use_srv_name boolean,
  CONSTRAINT upstreams_name_key UNIQUE (name, ws_id)
);
CREATE INDEX upstreams_tags ON upstreams USING gin (tags);
CREATE INDEX upstreams_client_certificate_id ON upstreams (client_certificate_id, id);

CREATE TABLE targets (
  id uuid CONSTRAINT targets_pkey PRIMARY KEY,
  ws_id uuid NOT NULL DEFAULT '5b1e0000-0000-4000-8000-000000000001'
    CONSTRAINT targets_ws_id_fkey REFERENCES workspaces ON DELETE RESTRICT,
  created_at double precision,
  updated_at double precision,
  upstream_id uuid CONSTRAINT targets_upstream_id_fkey REFERENCES upstreams ON DELETE RESTRICT,
  target text,
  weight bigint,
  tags text[],
  CONSTRAINT targets_together_key UNIQUE (upstream_id, target, ws_id)
);
CREATE INDEX targets_tags ON targets USING gin (tags);
CREATE INDEX targets_upstream_id ON targets (upstream_id, id);
CREATE INDEX targets_newest ON targets (upstream_id, created_at DESC, id DESC);

CREATE TABLE key_sets (
  id uuid CONSTRAINT key_sets_pkey PRIMARY KEY,
  ws_id uuid NOT NULL DEFAULT '5b1e0000-0000-4000-8000-000000000001'
    CONSTRAINT key_sets_ws_id_fkey REFERENCES workspaces ON DELETE RESTRICT,
  name text,
  tags text[],
  created_at bigint,
  updated_at bigint,
  CONSTRAINT key_sets_name_key UNIQUE (name, ws_id)
);
CREATE INDEX key_sets_tags ON key_sets USING gin (tags);

CREATE TABLE keys (
  id uuid CONSTRAINT keys_pkey PRIMARY KEY,
  ws_id uuid NOT NULL DEFAULT '5b1e0000-0000-4000-8000-000000000001'
    CONSTRAINT keys_ws_id_fkey REFERENCES workspaces ON DELETE RESTRICT,
  set_id uuid CONSTRAINT keys_set_id_fkey REFERENCES key_sets ON DELETE RESTRICT,
  name text,
  kid text,
  jwk text,
  pem jsonb,
  tags text[],
  created_at bigint,
  updated_at bigint,
  CONSTRAINT keys_name_key UNIQUE (name, ws_id)
);
CREATE INDEX keys_tags ON keys USING gin (tags);
-- Also among keys of no set.
CREATE UNIQUE INDEX keys_together_key ON keys (kid, coalesce(set_id, '00000000-0000-0000-0000-000000000000'), ws_id);
CREATE INDEX keys_set_id ON keys (set_id, id);

CREATE TABLE vaults (
  id uuid CONSTRAINT vaults_pkey PRIMARY KEY,
  ws_id uuid NOT NULL DEFAULT '5b1e0000-0000-4000-8000-000000000001'
    CONSTRAINT vaults_ws_id_fkey REFERENCES workspaces ON DELETE RESTRICT,
  prefix text,
  name text,
  description text,
  config jsonb,
  created_at bigint,
  updated_at bigint,
  tags text[],
  CONSTRAINT vaults_prefix_key UNIQUE (prefix)
);
CREATE INDEX vaults_tags ON vaults USING gin (tags);

-- Until now nothing could be what a service named here, and nothing has read it: no node keeps what goes.
UPDATE services SET client_certificate_id = NULL WHERE client_certificate_id IS NOT NULL;
ALTER TABLE services ADD CONSTRAINT services_client_certificate_id_fkey
  FOREIGN KEY (client_certificate_id) REFERENCES certificates ON DELETE RESTRICT;
CREATE INDEX services_client_certificate_id ON services (client_certificate_id, id);
