-- What every node asks of the log every few seconds. Functions, because the server's session keeps their plans whatever
-- pooler stands in between, and planning these statements takes longer than running them. Applied by gateway/store/migrations.

-- STABLE: of the snapshot of whoever calls it.
CREATE FUNCTION cluster_peek(applied bigint, OUT in_recovery boolean, OUT history uuid, OUT key_salt bytea,
  OUT format smallint, OUT floor_pos bigint, OUT pos bigint, OUT tag bigint, OUT tag_at_applied bigint)
LANGUAGE plpgsql STABLE AS $body$
#variable_conflict use_column
BEGIN
  SELECT pg_is_in_recovery(), h.history, h.key_salt, h.format, h.floor_pos, l.pos, l.tag,
         (SELECT tag FROM cluster_log WHERE pos = cluster_peek.applied AND n = 1)
    INTO in_recovery, history, key_salt, format, floor_pos, pos, tag, tag_at_applied
    FROM cluster_head h
    LEFT JOIN LATERAL (SELECT pos, tag FROM cluster_log ORDER BY pos DESC, n DESC LIMIT 1) l ON true
   WHERE h.one;
END $body$;
COMMENT ON FUNCTION cluster_peek IS 'where the log is, and which tag it has at the position a node has come to';

CREATE FUNCTION cluster_beat(node_id uuid, boot_id uuid, name text, version text, state smallint, lease_ms integer,
  applied_pos bigint, applied_tag bigint, info jsonb)
RETURNS void LANGUAGE plpgsql AS $body$
#variable_conflict use_column
BEGIN
  -- Not worth a flush of the disk: should a crash take it, the next one says more. That a node joins (state 1) must not be lost.
  IF $5 <> 1 THEN
    PERFORM set_config('synchronous_commit', 'off', true);
  END IF;
  INSERT INTO cluster_node (node_id, boot_id, name, version, state, seen_at, lease_ms, applied_pos, applied_tag, config_pos, info)
  VALUES ($1, $2, $3, $4, $5, clock_timestamp(), $6, $7, $8, $7, $9)
  ON CONFLICT (node_id) DO UPDATE SET
    boot_id = excluded.boot_id, name = excluded.name, version = excluded.version, state = excluded.state,
    seen_at = excluded.seen_at, lease_ms = excluded.lease_ms, applied_pos = excluded.applied_pos,
    applied_tag = excluded.applied_tag, config_pos = excluded.config_pos, info = excluded.info;
END $body$;
COMMENT ON FUNCTION cluster_beat IS 'a node is there, and has come so far';
