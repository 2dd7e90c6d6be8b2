/*
 * config - from raw texts to a checked struct config.
 *
 * The table is config_keys.def. What one row cannot say - a setting that inherits another's value, two
 * settings that exclude each other - stands in the two small tables below.
 */

#include "gateway/config/config.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/mem.h"
#include "gateway/base/uuid.h"
#include "gateway/config/source.h"
#include "gateway/config/value.h"

const struct config_key config_keys[] = {
#define KEY(name, kind, fallback, smallest, largest, choices, applies, meaning)                              \
    {#name,                                                                                                  \
     CONFIG_##kind,                                                                                          \
     fallback,                                                                                               \
     smallest,                                                                                               \
     largest,                                                                                                \
     choices,                                                                                                \
     CONFIG_##applies,                                                                                       \
     meaning,                                                                                                \
     offsetof(struct config, name)},
#include "gateway/config/config_keys.def"
};
const size_t config_key_count = COUNT(config_keys);

/* Settings that take another's value while they have none. */
static const struct heir {
    const char *name;
    const char *from;
} heirs[] = {
    /* clang-format off */
    {"pg_ro_port",       "pg_port"},
    {"pg_ro_user",       "pg_user"},
    {"pg_ro_password",   "pg_password"},
    {"pg_ro_database",   "pg_database"},
    {"pg_ro_schema",     "pg_schema"},
    {"pg_ro_timeout",    "pg_timeout"},
    {"pg_ro_ssl",        "pg_ssl"},
    {"pg_ro_ssl_verify", "pg_ssl_verify"},
    {"db_cache_neg_ttl", "db_cache_ttl"},
    /* clang-format on */
};

static const char *const standard_files[] = {"/etc/freshet/freshet.conf", "/etc/kong/kong.conf"};

static size_t number_of(const char *name)
{
    for (size_t i = 0; i < config_key_count; i++)
        if (strcmp(config_keys[i].name, name) == 0)
            return i;
    abort(); /* a name in this file that the table does not have */
}

void config_problems_fini(struct config_problems *problems)
{
    for (size_t i = 0; i < problems->count; i++) {
        free(problems->at[i].where);
        free(problems->at[i].key);
        free(problems->at[i].reason);
    }
    free(problems->at);
    *problems = (struct config_problems){0};
}

char *config_problem_text(const struct config_problem *problem)
{
    const char *colon = problem->key[0] != '\0' ? ": " : "";
    if (problem->line > 0)
        return mem_printf("%s:%d: %s%s%s", problem->where, problem->line, problem->key, colon,
                          problem->reason);
    return mem_printf("%s: %s%s%s", problem->where, problem->key, colon, problem->reason);
}

static void inherit(struct raw_setting *raw)
{
    for (size_t i = 0; i < COUNT(heirs); i++) {
        struct raw_setting *heir = &raw[number_of(heirs[i].name)];
        const struct raw_setting *from = &raw[number_of(heirs[i].from)];
        if (heir->text == NULL && from->text != NULL)
            *heir = (struct raw_setting){mem_strdup(from->text), from->where, from->line, true};
    }
}

/* A certificate is of no use without its key, nor the other way round. */
static void check_pairs(const struct raw_setting *raw, struct config_problems *problems)
{
    static const char *const pairs[][2] = {{"ssl_cert", "ssl_cert_key"},
                                           {"admin_ssl_cert", "admin_ssl_cert_key"},
                                           {"client_ssl_cert", "client_ssl_cert_key"}};
    for (size_t i = 0; i < COUNT(pairs); i++) {
        const struct raw_setting *certificate = &raw[number_of(pairs[i][0])];
        if ((certificate->text == NULL) != (raw[number_of(pairs[i][1])].text == NULL))
            problem_add(problems, certificate->where, certificate->line, pairs[i][0],
                        "%s and %s must be set together", pairs[i][0], pairs[i][1]);
    }
}

/* Rules over several settings. */
static void check_together(struct config *config, const struct raw_setting *raw,
                           struct config_problems *problems)
{
    const struct raw_setting *retention = &raw[number_of("cluster_log_retention")];
    if (config->cluster_log_retention < 20 * config->db_update_frequency)
        problem_add(
            problems, retention->where, retention->line, "cluster_log_retention",
            "must be at least 20 times db_update_frequency (%g s), so that a slow node is not cut off",
            (double)config->db_update_frequency / 1000);
    const struct raw_setting *gate = &raw[number_of("db_update_propagation")];
    if (config->db_update_propagation > 0 && strcmp(config->replica_gate, "delay") != 0)
        problem_add(&config->warnings, gate->where, gate->line, "db_update_propagation",
                    "has no effect with replica_gate = position, which needs no delay");
    check_pairs(raw, problems);
    const struct raw_setting *redis = &raw[number_of("redis_cluster_nodes")];
    if (config->redis_sentinels != NULL && config->redis_cluster_nodes != NULL)
        problem_add(problems, redis->where, redis->line, "redis_cluster_nodes",
                    "redis_sentinels is set as well, and a Cluster has none");
    struct uuid id;
    const struct raw_setting *node = &raw[number_of("node_id")];
    if (config->node_id != NULL && !uuid_from_str(str_of(config->node_id), &id))
        problem_add(problems, node->where, node->line, "node_id", "'%.60s' is not a UUID", config->node_id);
    const struct raw_setting *workers = &raw[number_of("nginx_worker_processes")];
    int64_t count;
    if (strcmp(config->nginx_worker_processes, "auto") != 0 &&
        (!str_to_int(str_of(config->nginx_worker_processes), &count) || count < 1 || count > 256))
        problem_add(problems, workers->where, workers->line, "nginx_worker_processes",
                    "'%.60s' is neither auto nor a number from 1 to 256", config->nginx_worker_processes);
}

static void warn_of_ignored(const struct raw_setting *raw, struct config_problems *warnings)
{
    for (size_t i = 0; i < config_key_count; i++)
        if (config_keys[i].applies == CONFIG_IGNORED && raw[i].where != NULL && raw[i].line > 0)
            problem_add(warnings, raw[i].where, raw[i].line, config_keys[i].name,
                        "accepted without effect: %s", config_keys[i].meaning);
}

static void use_defaults(struct raw_setting *raw)
{
    for (size_t i = 0; i < config_key_count; i++) {
        if (raw[i].where == NULL)
            raw[i].where = "settings";
        if (raw[i].text == NULL && config_keys[i].fallback[0] != '\0')
            raw[i].text = mem_strdup(config_keys[i].fallback);
    }
}

/* As they stand in the file; those from elsewhere come first. */
static int order_problems(const void *a, const void *b)
{
    const struct config_problem *left = a;
    const struct config_problem *right = b;
    return left->line != right->line ? left->line - right->line : strcmp(left->key, right->key);
}

bool config_load(const char *path, const char *prefix, struct config **result,
                 struct config_problems *problems)
{
    struct config *config = mem_zalloc(sizeof(*config));
    struct raw_setting *raw = mem_zalloc(config_key_count * sizeof(*raw));
    *problems = (struct config_problems){0};
    for (size_t i = 0; path == NULL && i < COUNT(standard_files); i++)
        if (access(standard_files[i], F_OK) == 0)
            path = standard_files[i];
    if (path != NULL) {
        config->file = mem_strdup(path);
        source_read_file(path, raw, problems, &config->warnings);
    }
    source_read_environment(raw, problems);
    if (prefix != NULL) {
        free(raw[number_of("prefix")].text);
        raw[number_of("prefix")] = (struct raw_setting){.text = mem_strdup(prefix), .where = "command line"};
    }
    source_resolve(raw, problems);
    warn_of_ignored(raw, &config->warnings);
    use_defaults(raw);
    inherit(raw);
    for (size_t i = 0; i < config_key_count; i++) {
        char reason[CONFIG_REASON_SIZE];
        if (!value_set(config, &config_keys[i], raw[i].text, reason) && !raw[i].inherited)
            problem_add(problems, raw[i].where, raw[i].line, config_keys[i].name, "%s", reason);
    }
    if (problems->count == 0)
        check_together(config, raw, problems);
    for (size_t i = 0; i < config_key_count; i++)
        free(raw[i].text);
    free(raw);
    if (problems->count > 0) {
        qsort(problems->at, problems->count, sizeof(*problems->at), order_problems);
        config_free(config);
        return false;
    }
    *result = config;
    return true;
}

void config_free(struct config *config)
{
    if (config == NULL)
        return;
    for (size_t i = 0; i < config_key_count; i++)
        value_free(config, &config_keys[i]);
    config_problems_fini(&config->warnings);
    free(config->file);
    free(config);
}

char *config_show(const struct config *config, const struct config_key *key)
{
    char *text = value_text(config, key);
    if (text != NULL && key->kind == CONFIG_SECRET) {
        free(text);
        return mem_strdup("******");
    }
    return text;
}

void config_compare(const struct config *before, const struct config *after,
                    void (*differs)(void *arg, const struct config_key *key), void *arg)
{
    for (size_t i = 0; i < config_key_count; i++) {
        char *old = value_text(before, &config_keys[i]);
        char *new = value_text(after, &config_keys[i]);
        if (old == NULL ? new != NULL : new == NULL || strcmp(old, new) != 0)
            differs(arg, &config_keys[i]);
        free(old);
        free(new);
    }
}

void config_take_live(struct config *to, const struct config *from)
{
    for (size_t i = 0; i < config_key_count; i++) {
        char reason[CONFIG_REASON_SIZE];
        if (config_keys[i].applies != CONFIG_LIVE)
            continue;
        char *text = value_text(from, &config_keys[i]);
        bool taken = value_set(to, &config_keys[i], text, reason);
        assert(taken); /* values are written as they are read */
        (void)taken;
        free(text);
    }
}

char *config_describe(void)
{
    static const char *const applies[] = {[CONFIG_LIVE] = "applied by reload",
                                          [CONFIG_RESTART] = "needs a restart",
                                          [CONFIG_IGNORED] = "accepted, without effect"};
    struct buf buf = {0};
    buf_add_text(
        &buf,
        "# Every setting of Freshet with its default. Written by `freshet check --describe`; do not edit "
        "here.\n"
        "# Environment: FRESHET_<NAME>, or KONG_<NAME>. Sizes take k, m, g; times are in seconds unless the\n"
        "# meaning says otherwise; lists are separated by commas.\n");
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        buf_printf(&buf, "\n# %s\n# (%s", key->meaning, applies[key->applies]);
        if (key->kind == CONFIG_CHOICE)
            buf_printf(&buf, "; one of: %s", key->choices);
        if (key->smallest[0] != '\0')
            buf_printf(&buf, "; at least %s", key->smallest);
        if (key->largest[0] != '\0')
            buf_printf(&buf, "; at most %s", key->largest);
        if (key->kind == CONFIG_MILLISECONDS)
            buf_add_text(&buf, "; milliseconds");
        buf_printf(&buf, ")\n#%s =%s%s\n", key->name, key->fallback[0] != '\0' ? " " : "", key->fallback);
    }
    return buf_take(&buf);
}

bool config_enables_plugin(const struct config *config, const char *name)
{
    /* "off" counts at the beginning only; elsewhere it is a name that nothing has. */
    if (config->plugins.count > 0 && strcmp(config->plugins.at[0], "off") == 0)
        return false;
    for (size_t i = 0; i < config->plugins.count; i++)
        if (strcmp(config->plugins.at[i], name) == 0 || strcmp(config->plugins.at[i], "bundled") == 0)
            return true;
    return false;
}
