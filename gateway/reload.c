/*
 * reload - changed settings, while the node serves. Each part takes what is live; what needs a restart is
 * named and stays as it is.
 */

#include <stdlib.h>

#include "admin/access.h"
#include "admin/admin.h"
#include "bus/bus.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/base/metrics.h"
#include "gateway/cache/cache.h"
#include "gateway/chain/delivery.h"
#include "gateway/cli/cli.h"
#include "gateway/cli/prefix.h"
#include "gateway/config/config.h"
#include "gateway/node_inside.h"
#include "gateway/proxy/proxy.h"
#include "gateway/supervisor.h"

struct changes {
    struct buf text;
    size_t count;
};

static void add_change(void *arg, const struct config_key *key)
{
    static const char *const what[] = {
        [CONFIG_LIVE] = "applied", [CONFIG_RESTART] = "needs a restart", [CONFIG_IGNORED] = "without effect"};
    struct changes *changes = arg;
    changes->count++;
    buf_printf(&changes->text, "%s: %s\n", key->name, what[key->applies]);
    log_notice("node: reload; setting=%s %s", key->name, what[key->applies]);
}

static void apply_live(struct node *node, struct config *config)
{
    const struct bus_live live = wiring_bus_live(config);
    bus_reload(node->wiring.bus, &live);
    const struct cache_options cache = wiring_cache_options(&node->wiring, config);
    cache_reload(node->wiring.cache, &cache);
    logs_reload(&node->logs, config);
    proxy_reload(node->proxy, config);
    admin_reload(node->admin, config);
}

/* The one before stays until the end: parts borrow its texts. */
static void take_config(struct node *node, struct config *config)
{
    apply_live(node, config);
    node->old_configs =
        mem_realloc(node->old_configs, (node->old_config_count + 1) * sizeof(struct config *));
    node->old_configs[node->old_config_count++] = node->config;
    node->config = config;
}

/* What a timer reloads every minute must not pile up. */
static void keep_config(struct node *node, struct config *same)
{
    config_free(same);
    proxy_reload_files(node->proxy, node->config);
}

static bool load_again(const struct node *node, struct config **config, struct access **access,
                       struct config_problems *problems)
{
    if (!config_load(node->life->start->file, node->life->start->prefix, config, problems))
        return false;
    bool ok = proxy_check_live(*config, problems);
    if (access_load(*config, access, problems) && ok) {
        access_warn(*access, *config);
        return true;
    }
    access_unref(*access);
    config_free(*config);
    return false;
}

void node_reload(struct node *node)
{
    struct config *config = NULL;
    struct access *access = NULL;
    struct config_problems problems;
    struct changes changes = {0};
    struct err err;
    if (load_again(node, &config, &access, &problems)) {
        metrics_add(METRIC_RELOADS, 1);
        admin_set_access(node->admin, access);
        config_compare(node->config, config, add_change, &changes);
        if (changes.count > 0)
            take_config(node, config);
        else
            keep_config(node, config);
        logs_reopen(&node->logs);
        delivery_reopen(node->delivery);
        if (node->life->link != NULL)
            worker_tell_reloaded(node->life->link);
        log_notice("node: settings reloaded; changed=%zu", changes.count);
    } else {
        metrics_add(METRIC_RELOADS_REFUSED, 1);
        if (node->life->link != NULL)
            worker_tell_refused(node->life->link);
        for (size_t i = 0; i < problems.count; i++) {
            char *text = config_problem_text(&problems.at[i]);
            buf_printf(&changes.text, "[error] %s\n", text);
            log_error("node: reload refused; %s", text);
            free(text);
        }
        config_problems_fini(&problems);
    }
    char *text = buf_take(&changes.text);
    if (!prefix_write(node->old_config_count > 0 ? node->old_configs[0]->prefix : node->config->prefix,
                      "reload_result", text, &err))
        log_warn("node: %s", err.text);
    free(text);
}
