/*
 * draft - one row per routing entity in a table. What a change of one entity means for others is in the
 * draft_*.c of that entity and nowhere else.
 */

#include "gateway/proxy/draft_inside.h"

#include <stdlib.h>

#include "gateway/base/mem.h"
#include "gateway/chain/scope.h"
#include "gateway/model/document.h"
#include "gateway/model/entities.h"
#include "gateway/router/router.h"

void draft_set_in_group(struct pmap **groups, const struct pmap_values *values,
                        const struct pmap_values *members, const struct uuid *group, const struct uuid *id,
                        void *value)
{
    if (uuid_is_nil(group))
        return;
    struct pmap *after = pmap_ref(pmap_find(*groups, group->bytes));
    pmap_set(&after, members, id->bytes, value);
    pmap_set(groups, values, group->bytes, after);
    pmap_unref(after, members);
}

static const struct kind {
    const struct schema *schema;
    size_t members; /* offset of its map in struct snapshot */
    /* From a decoded object, which it owns. */
    bool (*put)(struct draft *draft, const struct uuid *id, void *object, struct err *err);
    /* To a member of the map, or to none. Fails for a new member only. */
    bool (*set)(struct draft *draft, const struct uuid *id, void *value, struct err *err);
} kinds[] = {
    /* clang-format off */
    {&service_schema,        offsetof(struct snapshot, services),     draft_put_service,     draft_set_service},
    {&route_schema,          offsetof(struct snapshot, routes),       draft_put_route,       draft_set_route},
    {&plugin_setting_schema, offsetof(struct snapshot, plugins),      draft_put_plugin,      draft_set_plugin},
    {&upstream_schema,       offsetof(struct snapshot, upstreams),    draft_put_upstream,    draft_set_upstream},
    {&target_schema,         offsetof(struct snapshot, targets),      draft_put_target,      draft_set_target},
    {&certificate_schema,    offsetof(struct snapshot, certificates), draft_put_certificate, draft_set_certificate},
    {&sni_schema,            offsetof(struct snapshot, snis),         draft_put_sni,         draft_set_sni},
    {&ca_certificate_schema, offsetof(struct snapshot, authorities),  draft_put_authority,   draft_set_authority},
    /* clang-format on */
};

static const struct kind *kind_of(const struct schema *schema)
{
    for (size_t i = 0; i < COUNT(kinds); i++)
        if (kinds[i].schema == schema)
            return &kinds[i];
    return NULL;
}

_Static_assert(COUNT(kinds) == SNAPSHOT_KINDS, "each kind has its versions");

static struct pmap *versions_of(const struct snapshot *snapshot, const struct kind *kind)
{
    return snapshot->versions[kind - kinds];
}

/* A hash in the place of a pointer, which nobody follows; never NULL, which would be none. */
static void set_version(struct draft *draft, const struct kind *kind, const struct uuid *id, uint64_t version)
{
    void *value = (void *)(uintptr_t)(version | 1); /* NOLINT(performance-no-int-to-ptr) */
    pmap_set(&draft->next->versions[kind - kinds], &snapshot_versions, id->bytes, value);
}

bool draft_version(const struct snapshot *snapshot, const struct schema *schema, const struct uuid *id,
                   uint64_t *version)
{
    const void *value = pmap_find(versions_of(snapshot, kind_of(schema)), id->bytes);
    *version = (uint64_t)(uintptr_t)value;
    return value != NULL;
}

size_t draft_version_count(const struct snapshot *snapshot, const struct schema *schema)
{
    return pmap_count(versions_of(snapshot, kind_of(schema)));
}

static void set_failing(struct draft *draft, const struct uuid *id, bool fails)
{
    static char mark; /* some value that is not NULL */
    pmap_set(&draft->next->failing, &snapshot_failing, id->bytes, fails ? &mark : NULL);
}

/* A whole draft starts empty: the version that served until now is fetched. */
static void keep(struct draft *draft, const struct kind *kind, const struct uuid *id)
{
    if (draft->start != DRAFT_WHOLE || draft->last == NULL)
        return;
    const void *members = (const char *)draft->last + kind->members;
    void *value = pmap_find(*(struct pmap *const *)members, id->bytes);
    if (value != NULL)
        (void)kind->set(draft, id, value, NULL); /* it has compiled before */
}

bool draft_put(struct draft *draft, const struct schema *schema, const cJSON *document, struct err *err)
{
    const struct kind *kind = kind_of(schema);
    struct uuid id;
    void *object;
    size_t bytes;
    if (kind == NULL || !document_id(document, &id))
        return err_set(err, ERR_INVALID, "no routing entity with an id");
    bool ok = schema->decode(document, &object, &bytes, err) && kind->put(draft, &id, object, err);
    set_failing(draft, &id, !ok);
    set_version(draft, kind, &id, document_hash(document));
    if (!ok)
        keep(draft, kind, &id);
    return ok;
}

void draft_remove(struct draft *draft, const struct schema *schema, const struct uuid *id)
{
    const struct kind *kind = kind_of(schema);
    if (kind == NULL)
        return;
    (void)kind->set(draft, id, NULL, NULL); /* taking out cannot fail */
    set_failing(draft, id, false);
    pmap_set(&draft->next->versions[kind - kinds], &snapshot_versions, id->bytes, NULL);
}

struct draft *draft_new(const struct draft_options *options, const struct snapshot *last,
                        enum draft_start start)
{
    bool from_last = last != NULL && start == DRAFT_CHANGED;
    struct draft *draft = mem_alloc(sizeof(*draft));
    struct snapshot *next = mem_zalloc(sizeof(*next));
    *draft = (struct draft){.options = options, .last = last, .start = start, .next = next};
    next->router = from_last ? router_ref(last->router) : router_new();
    next->services = from_last ? pmap_ref(last->services) : NULL;
    next->routes = from_last ? pmap_ref(last->routes) : NULL;
    next->groups = from_last ? pmap_ref(last->groups) : NULL;
    next->plugins = from_last ? pmap_ref(last->plugins) : NULL;
    next->upstreams = from_last ? pmap_ref(last->upstreams) : NULL;
    next->upstream_names = from_last ? pmap_ref(last->upstream_names) : NULL;
    next->targets = from_last ? pmap_ref(last->targets) : NULL;
    next->target_groups = from_last ? pmap_ref(last->target_groups) : NULL;
    next->certificates = from_last ? pmap_ref(last->certificates) : NULL;
    next->snis = from_last ? pmap_ref(last->snis) : NULL;
    next->server_names = from_last ? pmap_ref(last->server_names) : NULL;
    next->authorities = from_last ? pmap_ref(last->authorities) : NULL;
    next->balanced_count = last != NULL ? last->balanced_count : 0;
    next->failing = from_last ? pmap_ref(last->failing) : NULL;
    for (size_t i = 0; from_last && i < SNAPSHOT_KINDS; i++)
        next->versions[i] = pmap_ref(last->versions[i]);
    next->scope = from_last ? scope_ref(last->scope) : scope_new(options->plugins, options->plugin_count);
    return draft;
}

struct snapshot *draft_finish(struct draft *draft, uint64_t position, int64_t tag)
{
    struct snapshot *next = draft->next;
    next->position = position;
    next->tag = tag;
    free(draft);
    return next;
}

void draft_free(struct draft *draft)
{
    if (draft == NULL)
        return;
    snapshot_free(draft->next);
    free(draft);
}
