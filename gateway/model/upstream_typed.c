/*
 * upstream_typed - see upstream_typed.h.
 */

#include "gateway/model/upstream_typed.h"

#include <string.h>

#include "gateway/model/document.h"
#include "gateway/model/entities.h"
#include "gateway/model/pack.h"

/* The words of a field in the order of an enumeration. */
static const char *const balancings[] = {"round-robin", "consistent-hashing", "least-connections", "latency"};
static const char *const inputs[] = {"none",   "consumer", "ip",        "header",
                                     "cookie", "path",     "query_arg", "uri_capture"};

static int number_of(const char *const *words, size_t count, const char *word)
{
    for (size_t i = 0; word != NULL && i < count; i++)
        if (strcmp(words[i], word) == 0)
            return (int)i;
    return 0;
}

static const cJSON *member(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

static double number(const cJSON *object, const char *name, double fallback)
{
    const cJSON *value = member(object, name);

    return cJSON_IsNumber(value) ? value->valuedouble : fallback;
}

static int milliseconds(const cJSON *object, const char *name, double fallback_s)
{
    return (int)(number(object, name, fallback_s) * 1000);
}

/* ---- what is hashed ---- */

/* The fields in which the name of an input stands, by what is hashed first and what else. */
static const struct {
    enum hash_input input;
    const char *first, *other;
} names[] = {
    {HASH_HEADER, "hash_on_header", "hash_fallback_header"},
    {HASH_COOKIE, "hash_on_cookie", "hash_on_cookie"},
    {HASH_QUERY_ARG, "hash_on_query_arg", "hash_fallback_query_arg"},
    {HASH_URI_CAPTURE, "hash_on_uri_capture", "hash_fallback_uri_capture"},
};

static struct hash_source pack_source(struct packer *packer, const cJSON *document, bool is_first)
{
    const char *word = document_text(document, is_first ? "hash_on" : "hash_fallback");
    struct hash_source source = {.input = (enum hash_input)number_of(inputs, COUNT(inputs), word)};

    for (size_t i = 0; i < COUNT(names); i++)
        if (names[i].input == source.input)
            source.name =
                pack_text(packer, document_text(document, is_first ? names[i].first : names[i].other));
    return source;
}

/* ---- health ---- */

static struct statuses read_statuses(const cJSON *side)
{
    struct statuses statuses = {{0}};
    const cJSON *item;

    cJSON_ArrayForEach(item, member(side, "http_statuses"))
    {
        if (cJSON_IsNumber(item) && item->valueint >= 0 && item->valueint < 1024)
            statuses.bits[item->valueint / 64] |= UINT64_C(1) << (item->valueint % 64);
    }
    return statuses;
}

static struct health_rules read_rules(const cJSON *checks)
{
    const cJSON *healthy = member(checks, "healthy");
    const cJSON *unhealthy = member(checks, "unhealthy");

    return (struct health_rules){
        .healthy = read_statuses(healthy),
        .unhealthy = read_statuses(unhealthy),
        .limits =
            {
                .successes = (int)document_int(healthy, "successes", 0),
                .http_failures = (int)document_int(unhealthy, "http_failures", 0),
                .tcp_failures = (int)document_int(unhealthy, "tcp_failures", 0),
                .timeouts = (int)document_int(unhealthy, "timeouts", 0),
            },
    };
}

static enum probe_kind probe_kind_of(const char *word)
{
    if (word == NULL || strcmp(word, "http") == 0)
        return PROBE_HTTP;
    return strcmp(word, "https") == 0 ? PROBE_HTTPS : PROBE_TCP;
}

static void pack_probe_headers(struct packer *packer, const cJSON *headers, struct probe_settings *probe)
{
    const cJSON *item;
    size_t i = 0;

    probe->header_count = cJSON_IsObject(headers) ? (size_t)cJSON_GetArraySize(headers) : 0;
    if (probe->header_count == 0)
        return;
    probe->headers = pack_room(packer, probe->header_count * sizeof(*probe->headers));
    cJSON_ArrayForEach(item, headers)
    {
        struct route_header header = {pack_text(packer, item->string), pack_texts(packer, item)};
        if (probe->headers != NULL)
            probe->headers[i++] = header;
    }
}

static void pack_probe(struct packer *packer, const cJSON *active, struct probe_settings *probe)
{
    const char *path = document_text(active, "http_path");

    probe->kind = probe_kind_of(document_text(active, "type"));
    probe->timeout_ms = milliseconds(active, "timeout", 1);
    probe->concurrency = (int)document_int(active, "concurrency", 10);
    probe->healthy_interval_ms = milliseconds(member(active, "healthy"), "interval", 0);
    probe->unhealthy_interval_ms = milliseconds(member(active, "unhealthy"), "interval", 0);
    probe->verify = document_bool(active, "https_verify_certificate", true);
    probe->path = pack_text(packer, path != NULL ? path : "/");
    probe->server_name = pack_text(packer, document_text(active, "https_sni"));
    pack_probe_headers(packer, member(active, "headers"), probe);
}

bool upstream_probes(const struct upstream *upstream)
{
    return upstream->probe.healthy_interval_ms > 0 || upstream->probe.unhealthy_interval_ms > 0;
}

bool upstream_watches(const struct upstream *upstream)
{
    const struct health_limits *limits = &upstream->passive.limits;

    return limits->successes > 0 || limits->http_failures > 0 || limits->tcp_failures > 0 ||
           limits->timeouts > 0;
}

/* ---- all of it ---- */

static bool pack(struct packer *packer, const cJSON *document, struct upstream *upstream, struct err *err)
{
    const cJSON *checks = member(document, "healthchecks");
    const char *cookie_path = document_text(document, "hash_on_cookie_path");

    if (!document_id(document, &upstream->id) || document_text(document, "name") == NULL)
        return err_set(err, ERR_INVALID, "an upstream without id or name");
    upstream->name = pack_lower(packer, document_text(document, "name"));
    upstream->balancing =
        (enum balancing)number_of(balancings, COUNT(balancings), document_text(document, "algorithm"));
    upstream->hash_on = pack_source(packer, document, /* is_first= */ true);
    upstream->hash_fallback = pack_source(packer, document, /* is_first= */ false);
    upstream->cookie_path = pack_text(packer, cookie_path != NULL ? cookie_path : "/");
    upstream->slots = (int)document_int(document, "slots", 10000);
    upstream->threshold = number(checks, "threshold", 0);
    upstream->passive = read_rules(member(checks, "passive"));
    upstream->active = read_rules(member(checks, "active"));
    pack_probe(packer, member(checks, "active"), &upstream->probe);
    upstream->host_header = pack_text(packer, document_text(document, "host_header"));
    (void)document_reference(document, "client_certificate", &upstream->client_certificate);
    upstream->use_srv_name = document_bool(document, "use_srv_name", false);
    upstream->created_at = document_int(document, "created_at", 0);
    upstream->updated_at = document_int(document, "updated_at", 0);
    return true;
}

PACK_DECODE(upstream, pack)

bool upstream_decode(const cJSON *document, void **object, size_t *bytes, struct err *err)
{
    return decode(document, object, bytes, err);
}
