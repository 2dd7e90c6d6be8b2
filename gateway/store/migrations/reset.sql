-- Everything the steps have made. Grows with them; a test compares.

DROP TABLE IF EXISTS ratelimiting_metrics;
DROP TABLE IF EXISTS basicauth_credentials, acls, jwt_secrets, hmacauth_credentials;
DROP TABLE IF EXISTS targets, upstreams, vaults, keys, key_sets;
DROP TABLE IF EXISTS keyauth_credentials, plugins, consumers, routes, services;
DROP TABLE IF EXISTS snis, certificates, ca_certificates, workspaces;
DROP FUNCTION IF EXISTS cluster_peek, cluster_beat;
DROP TABLE IF EXISTS cluster_node, cluster_log, cluster_head;
DROP TABLE IF EXISTS freshet_migrations;
