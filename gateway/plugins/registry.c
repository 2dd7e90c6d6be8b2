/*
 * registry - a line per plugin, in descending priority; equal ones by name, descending.
 */

#include "gateway/plugins/registry.h"

#include <assert.h>
#include <string.h>

#include "gateway/chain/plugin.h"
#include "gateway/plugins/acl.h"
#include "gateway/plugins/basic_auth.h"
#include "gateway/plugins/bot_detection.h"
#include "gateway/plugins/correlation_id.h"
#include "gateway/plugins/cors.h"
#include "gateway/plugins/datadog.h"
#include "gateway/plugins/file_log.h"
#include "gateway/plugins/hmac_auth.h"
#include "gateway/plugins/http_log.h"
#include "gateway/plugins/ip_restriction.h"
#include "gateway/plugins/jwt.h"
#include "gateway/plugins/key_auth.h"
#include "gateway/plugins/opentelemetry.h"
#include "gateway/plugins/prometheus.h"
#include "gateway/plugins/proxy_cache.h"
#include "gateway/plugins/rate_limiting.h"
#include "gateway/plugins/request_size_limiting.h"
#include "gateway/plugins/request_termination.h"
#include "gateway/plugins/request_transformer.h"
#include "gateway/plugins/response_ratelimiting.h"
#include "gateway/plugins/response_transformer.h"
#include "gateway/plugins/statsd.h"
#include "gateway/plugins/syslog.h"
#include "gateway/plugins/tcp_log.h"
#include "gateway/plugins/udp_log.h"
#include "gateway/plugins/zipkin.h"

static const struct plugin *const plugins[] = {
    &zipkin_plugin,                /* 100000 */
    &bot_detection_plugin,         /* 2500 */
    &cors_plugin,                  /* 2000 */
    &jwt_plugin,                   /* 1450 */
    &key_auth_plugin,              /* 1250 */
    &basic_auth_plugin,            /* 1100 */
    &hmac_auth_plugin,             /* 1030 */
    &ip_restriction_plugin,        /* 990 */
    &request_size_limiting_plugin, /* 951 */
    &acl_plugin,                   /* 950 */
    &rate_limiting_plugin,         /* 910 */
    &response_ratelimiting_plugin, /* 900 */
    &request_transformer_plugin,   /* 801 */
    &response_transformer_plugin,  /* 800 */
    &proxy_cache_plugin,           /* 100 */
    &opentelemetry_plugin,         /* 14 */
    &prometheus_plugin,            /* 13 */
    &http_log_plugin,              /* 12 */
    &statsd_plugin,                /* 11 */
    &datadog_plugin,               /* 10 */
    &file_log_plugin,              /* 9 */
    &udp_log_plugin,               /* 8 */
    &tcp_log_plugin,               /* 7 */
    &syslog_plugin,                /* 4 */
    &request_termination_plugin,   /* 2 */
    &correlation_id_plugin,        /* 1 */
};

size_t registry_count(void)
{
    return COUNT(plugins);
}

const struct plugin *registry_at(size_t i)
{
    assert(i < COUNT(plugins));
    assert(i == 0 || plugins[i - 1]->schema.priority >= plugins[i]->schema.priority);
    return plugins[i];
}

static bool is_among(const struct plugin *plugin, const struct plugin *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (list[i] == plugin)
            return true;
    return false;
}

void registry_add_schemas(struct schemas *schemas, const struct plugin *const *enabled, size_t count)
{
    for (size_t i = 0; i < COUNT(plugins); i++) {
        bool is_enabled = is_among(plugins[i], enabled, count);
        if (is_enabled)
            schemas_add_plugin(schemas, &plugins[i]->schema);
        for (const struct schema *const *entity = plugins[i]->entities; entity != NULL && *entity != NULL;
             entity++)
            (is_enabled ? schemas_add : schemas_add_hidden)(schemas, *entity);
    }
}
