#pragma once

/*
 * handlers - the endpoints that are not entities; each file by the name of its prefix. A handler fills the
 * request's answer or starts a job. For the table in routes.c.
 *
 * Threads: the loop.
 */

#include "admin/request.h"

void root_show(struct request *request);
void robots_show(struct request *request);
void endpoints_show(struct request *request); /* routes.c */
void plugins_enabled(struct request *request);
void openapi_show(struct request *request);

void status_show(struct request *request);
void status_ready(struct request *request);
void status_live(struct request *request);
void metrics_show(struct request *request);

void schema_show(struct request *request);
void schema_show_plugin(struct request *request);
void schema_show_plugin_config(struct request *request);
void schema_show_vault(struct request *request);
void schema_validate_vault(struct request *request);
void schema_show_filter(struct request *request);
void schema_validate(struct request *request);
void schema_validate_plugin(struct request *request);

void log_level_show(struct request *request);
void log_level_set_here(struct request *request);
void log_level_set_everywhere(struct request *request);

void upstream_health_show(struct request *request);
void target_health_set(struct request *request);

void cluster_position(struct request *request);
void cluster_commit(struct request *request);
void cluster_events(struct request *request);
void cluster_nodes(struct request *request);

void timers_show(struct request *request);
void workspaces_list(struct request *request);
void workspaces_show(struct request *request);

/* Why there is nothing behind a path that clients know. */
void absent_config(struct request *request);
void absent_filters(struct request *request);
void absent_control_plane(struct request *request);

void tags_list(struct request *request);
void tags_show(struct request *request);
void tags_refuse(struct request *request);

void cache_list(struct request *request);
void cache_drop_all(struct request *request);
void cache_show(struct request *request);
void cache_drop(struct request *request);
