/*
 * draft_upstreams - upstreams and their targets. Targets are grouped by upstream, so that a change of one
 * looks at no others; each change makes a new version of its upstream (struct balanced).
 */

#include "gateway/proxy/draft_inside.h"

#include "gateway/model/entities.h"
#include "gateway/model/schema.h"

/* Its names go with it. A name that another upstream has taken over in the same batch stays. */
static void forget_name(struct draft *draft, const struct balanced *balanced)
{
    if (balanced != NULL && pmap_find(draft->next->upstream_names, balanced->name_key.bytes) == balanced)
        pmap_set(&draft->next->upstream_names, &snapshot_upstreams, balanced->name_key.bytes, NULL);
}

/* upstream NULL: there is none any more. */
static void set_balanced(struct draft *draft, const struct uuid *id, struct shared_row *upstream)
{
    struct snapshot *next = draft->next;
    struct balanced *after = NULL;

    forget_name(draft, pmap_find(next->upstreams, id->bytes));
    if (upstream != NULL) {
        after = balanced_new(upstream, pmap_find(next->target_groups, id->bytes), ++next->balanced_count);
        pmap_set(&next->upstream_names, &snapshot_upstreams, after->name_key.bytes, after);
    }
    pmap_set(&next->upstreams, &snapshot_upstreams, id->bytes, after);
    if (after != NULL)
        snapshot_upstreams.unref(after);
}

bool draft_set_upstream(struct draft *draft, const struct uuid *id, void *value, struct err *err)
{
    const struct balanced *balanced = value;

    (void)err;
    set_balanced(draft, id, balanced != NULL ? balanced->row : NULL);
    return true;
}

bool draft_put_upstream(struct draft *draft, const struct uuid *id, void *object, struct err *err)
{
    struct shared_row *row = shared_row_new(&upstream_schema, object);

    (void)err;
    set_balanced(draft, id, row);
    snapshot_rows.unref(row);
    return true;
}

static void renew(struct draft *draft, const struct uuid *upstream)
{
    const struct balanced *balanced = pmap_find(draft->next->upstreams, upstream->bytes);

    if (balanced != NULL)
        set_balanced(draft, upstream, balanced->row);
}

static void set_in_group(struct draft *draft, const struct uuid *upstream, const struct uuid *id, void *row)
{
    draft_set_in_group(&draft->next->target_groups, &snapshot_target_groups, &snapshot_rows, upstream, id,
                       row);
    renew(draft, upstream);
}

bool draft_set_target(struct draft *draft, const struct uuid *id, void *value, struct err *err)
{
    const struct shared_row *before = pmap_find(draft->next->targets, id->bytes);
    struct shared_row *after = value;
    struct uuid left = before != NULL ? shared_target(before)->upstream : (struct uuid){{0}};

    (void)err;
    pmap_set(&draft->next->targets, &snapshot_rows, id->bytes, after);
    if (after == NULL || !uuid_equal(&left, &shared_target(after)->upstream))
        set_in_group(draft, &left, id, NULL);
    if (after != NULL)
        set_in_group(draft, &shared_target(after)->upstream, id, after);
    return true;
}

bool draft_put_target(struct draft *draft, const struct uuid *id, void *object, struct err *err)
{
    struct shared_row *row = shared_row_new(&target_schema, object);
    bool ok = draft_set_target(draft, id, row, err);

    snapshot_rows.unref(row);
    return ok;
}
