-- Which version of which key is owed after which position: written by triggers in the very transaction of each change, so that it is
-- lost and restored together with it. `turn` is given under the append lock and is therefore the order of commits.

CREATE TABLE chaos_truth (
  turn    bigint,
  pos     bigint,
  tag     bigint,
  at      timestamptz,
  n       bigserial PRIMARY KEY,
  key     text NOT NULL,
  version text NOT NULL
);
CREATE INDEX chaos_truth_turn ON chaos_truth (turn);
CREATE INDEX chaos_truth_open ON chaos_truth (n) WHERE turn IS NULL;
CREATE SEQUENCE chaos_turn;

CREATE FUNCTION chaos_note() RETURNS trigger LANGUAGE plpgsql AS $note$
DECLARE
  row_now  jsonb := CASE WHEN TG_OP = 'DELETE' THEN NULL ELSE to_jsonb(NEW) END;
  row_then jsonb := CASE WHEN TG_OP = 'INSERT' THEN NULL ELSE to_jsonb(OLD) END;
BEGIN
  INSERT INTO chaos_truth (key, version) VALUES (
    TG_ARGV[0] || ':' || (coalesce(row_now, row_then) ->> TG_ARGV[1]),
    coalesce(row_now #>> TG_ARGV[2]::text[], 'none'));
  RETURN NULL;
END
$note$;

CREATE FUNCTION chaos_place() RETURNS trigger LANGUAGE plpgsql AS $place$
BEGIN
  UPDATE chaos_truth SET turn = nextval('chaos_turn'), pos = NEW.pos, tag = NEW.tag, at = NEW.at WHERE turn IS NULL;
  RETURN NULL;
END
$place$;

-- Names of keys are those of world.py.
CREATE TRIGGER chaos_note AFTER INSERT OR UPDATE OR DELETE ON consumers
  FOR EACH ROW EXECUTE FUNCTION chaos_note('consumer', 'username', '{custom_id}');
CREATE TRIGGER chaos_note AFTER INSERT OR UPDATE OR DELETE ON keyauth_credentials
  FOR EACH ROW EXECUTE FUNCTION chaos_note('credential', 'key', '{id}');
CREATE TRIGGER chaos_note AFTER INSERT OR UPDATE OR DELETE ON services
  FOR EACH ROW EXECUTE FUNCTION chaos_note('service', 'name', '{path}');
CREATE TRIGGER chaos_note AFTER INSERT OR UPDATE OR DELETE ON plugins
  FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION chaos_note('plugin', 'instance_name', '{config,add,headers,0}');
CREATE TRIGGER chaos_place AFTER INSERT ON cluster_log FOR EACH ROW EXECUTE FUNCTION chaos_place();
