-- Credentials and groups of consumers, of plugins that may not run yet.

CREATE TABLE basicauth_credentials (
  id          uuid CONSTRAINT basicauth_credentials_pkey PRIMARY KEY,
  ws_id       uuid NOT NULL DEFAULT '5b1e0000-0000-4000-8000-000000000001'
              CONSTRAINT basicauth_credentials_ws_id_fkey REFERENCES workspaces ON DELETE RESTRICT,
  created_at  bigint,
  consumer_id uuid CONSTRAINT basicauth_credentials_consumer_id_fkey REFERENCES consumers ON DELETE RESTRICT,
  username    text,
  password    text,
  tags        text[],
  CONSTRAINT basicauth_credentials_username_key UNIQUE (username, ws_id)
);
CREATE INDEX basicauth_credentials_tags ON basicauth_credentials USING gin (tags);
CREATE INDEX basicauth_credentials_consumer_id ON basicauth_credentials (consumer_id, id);

CREATE TABLE acls (
  id          uuid CONSTRAINT acls_pkey PRIMARY KEY,
  ws_id       uuid NOT NULL DEFAULT '5b1e0000-0000-4000-8000-000000000001'
              CONSTRAINT acls_ws_id_fkey REFERENCES workspaces ON DELETE RESTRICT,
  created_at  bigint,
  consumer_id uuid CONSTRAINT acls_consumer_id_fkey REFERENCES consumers ON DELETE RESTRICT,
  "group"     text,
  tags        text[],
  CONSTRAINT acls_together_key UNIQUE (consumer_id, "group")
);
CREATE INDEX acls_tags ON acls USING gin (tags);
CREATE INDEX acls_consumer_id ON acls (consumer_id, id);

CREATE TABLE jwt_secrets (
  id             uuid CONSTRAINT jwt_secrets_pkey PRIMARY KEY,
  ws_id          uuid NOT NULL DEFAULT '5b1e0000-0000-4000-8000-000000000001'
                 CONSTRAINT jwt_secrets_ws_id_fkey REFERENCES workspaces ON DELETE RESTRICT,
  created_at     bigint,
  consumer_id    uuid CONSTRAINT jwt_secrets_consumer_id_fkey REFERENCES consumers ON DELETE RESTRICT,
  key            text,
  secret         text,
  rsa_public_key text,
  algorithm      text,
  tags           text[],
  CONSTRAINT jwt_secrets_key_key UNIQUE (key, ws_id)
);
CREATE INDEX jwt_secrets_tags ON jwt_secrets USING gin (tags);
CREATE INDEX jwt_secrets_consumer_id ON jwt_secrets (consumer_id, id);

CREATE TABLE hmacauth_credentials (
  id          uuid CONSTRAINT hmacauth_credentials_pkey PRIMARY KEY,
  ws_id       uuid NOT NULL DEFAULT '5b1e0000-0000-4000-8000-000000000001'
              CONSTRAINT hmacauth_credentials_ws_id_fkey REFERENCES workspaces ON DELETE RESTRICT,
  created_at  bigint,
  consumer_id uuid CONSTRAINT hmacauth_credentials_consumer_id_fkey REFERENCES consumers ON DELETE RESTRICT,
  username    text,
  secret      text,
  tags        text[],
  CONSTRAINT hmacauth_credentials_username_key UNIQUE (username, ws_id)
);
CREATE INDEX hmacauth_credentials_tags ON hmacauth_credentials USING gin (tags);
CREATE INDEX hmacauth_credentials_consumer_id ON hmacauth_credentials (consumer_id, id);
