-- For test databases: refuses COMMIT unless this transaction has appended an event for every row it changed, so that
-- no way of writing can forget one (consistency reference, 3.3 and I13). Applied to every entity table there is.

CREATE OR REPLACE FUNCTION freshet_guard() RETURNS trigger LANGUAGE plpgsql AS $guard$
DECLARE
  row_id uuid;
BEGIN
  IF TG_OP = 'DELETE' THEN
    row_id := OLD.id;
  ELSE
    row_id := NEW.id;
  END IF;
  -- The append lock is held by now, so events of ours are at the highest positions, one for each of a group.
  PERFORM 1 FROM cluster_log l
    WHERE l.pos > (SELECT max(pos) FROM cluster_log) - 64 AND l.xmin = pg_current_xact_id()::xid
      AND (l.kind = 3 OR l.entity = TG_TABLE_NAME AND (l.kind = 2 OR l.id = row_id));
  IF NOT FOUND THEN
    RAISE EXCEPTION '% of % % without an event', TG_OP, TG_TABLE_NAME, row_id
      USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'freshet_guard';
  END IF;
  RETURN NULL;
END
$guard$;

DO $install$
DECLARE
  entity text;
BEGIN
  FOR entity IN
    SELECT c.table_name FROM information_schema.columns c
     WHERE c.table_schema = current_schema() AND c.column_name = 'ws_id'
  LOOP
    EXECUTE format('DROP TRIGGER IF EXISTS freshet_guard ON %I', entity);
    EXECUTE format('CREATE CONSTRAINT TRIGGER freshet_guard AFTER INSERT OR UPDATE OR DELETE ON %I '
                   'DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION freshet_guard()', entity);
  END LOOP;
END
$install$;
