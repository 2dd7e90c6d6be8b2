-- Credentials of the key-auth plugin. Rows whose expires_at has passed do not exist for any reader; a later write to
-- the table removes them (gateway/store/write.c).

CREATE TABLE keyauth_credentials (
  id          uuid CONSTRAINT keyauth_credentials_pkey PRIMARY KEY,
  ws_id       uuid NOT NULL DEFAULT '5b1e0000-0000-4000-8000-000000000001'
              CONSTRAINT keyauth_credentials_ws_id_fkey REFERENCES workspaces ON DELETE RESTRICT,
  created_at  bigint,
  consumer_id uuid CONSTRAINT keyauth_credentials_consumer_id_fkey REFERENCES consumers ON DELETE RESTRICT,
  key         text,
  tags        text[],
  expires_at  timestamptz,
  CONSTRAINT keyauth_credentials_key_key UNIQUE (key, ws_id)
);
CREATE INDEX keyauth_credentials_tags ON keyauth_credentials USING gin (tags);
CREATE INDEX keyauth_credentials_consumer_id ON keyauth_credentials (consumer_id, id);
CREATE INDEX keyauth_credentials_expires_at ON keyauth_credentials (expires_at) WHERE expires_at IS NOT NULL;
