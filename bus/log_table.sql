-- The log of committed changes, its head, and the registry of nodes. Applied by gateway/store/migrations.
-- Positions have no gaps: they are given out under the row lock of cluster_head, which is held until COMMIT.

CREATE TABLE cluster_head (
  one       boolean  PRIMARY KEY DEFAULT true CHECK (one),
  history   uuid     NOT NULL DEFAULT gen_random_uuid(),
  key_salt  bytea    NOT NULL CHECK (octet_length(key_salt) = 16),
  floor_pos bigint   NOT NULL DEFAULT 0,
  format    smallint NOT NULL DEFAULT 1
);
COMMENT ON TABLE cluster_head IS 'one row: the append lock, the identity of this configuration and the oldest position kept';
COMMENT ON COLUMN cluster_head.history IS 'identity of this configuration database; a copy gets a new one by "freshet db fork"';
COMMENT ON COLUMN cluster_head.key_salt IS 'key of the digests under which cache keys appear in the log and on Redis';
COMMENT ON COLUMN cluster_head.floor_pos IS 'events at or below this position may be gone';

CREATE TABLE cluster_log (
  pos    bigint      NOT NULL CHECK (pos > 0),
  n      integer     NOT NULL CHECK (n > 0),
  tag    bigint      NOT NULL,
  at     timestamptz NOT NULL,
  kind   smallint    NOT NULL,
  flags  smallint    NOT NULL DEFAULT 0,
  origin uuid,
  entity text,
  id     uuid,
  keys   bytea       NOT NULL DEFAULT '' CHECK (octet_length(keys) % 16 = 0),
  PRIMARY KEY (pos, n)
);
CREATE INDEX cluster_log_at ON cluster_log USING brin (at);
COMMENT ON TABLE cluster_log IS 'one position per committed change, one row per changed entity';
COMMENT ON COLUMN cluster_log.kind IS '1 row and keys, 2 whole entity type, 3 everything, 4 nothing';
COMMENT ON COLUMN cluster_log.tag IS 'random, one per commit: the same position with another tag is another history';
COMMENT ON COLUMN cluster_log.at IS 'for retention only; no rule of safety reads it';

CREATE TABLE cluster_node (
  node_id     uuid PRIMARY KEY,
  boot_id     uuid NOT NULL,
  name        text NOT NULL,
  version     text NOT NULL,
  state       smallint NOT NULL,
  seen_at     timestamptz NOT NULL,
  lease_ms    integer NOT NULL,
  applied_pos bigint,
  applied_tag bigint,
  config_pos  bigint,
  info        jsonb NOT NULL DEFAULT '{}'
) WITH (fillfactor = 50);
COMMENT ON TABLE cluster_node IS 'who is there and how far each has come; state 1 joining, 2 live, 3 draining';

INSERT INTO cluster_head (key_salt) VALUES (decode(replace(gen_random_uuid()::text, '-', ''), 'hex'));
INSERT INTO cluster_log (pos, n, tag, at, kind)
VALUES (1, 1, ('x' || substr(md5(gen_random_uuid()::text), 1, 16))::bit(64)::bigint, clock_timestamp(), 4);
