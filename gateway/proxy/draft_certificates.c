/*
 * draft_certificates - certificates, the names they are shown under, and authorities.
 */

#include "gateway/proxy/draft_inside.h"

#include "gateway/model/entities.h"
#include "gateway/model/schema.h"

static bool put_row(struct pmap **map, const struct schema *schema, const struct uuid *id, void *object)
{
    struct shared_row *row = shared_row_new(schema, object);

    pmap_set(map, &snapshot_rows, id->bytes, row);
    snapshot_rows.unref(row);
    return true;
}

bool draft_put_certificate(struct draft *draft, const struct uuid *id, void *object, struct err *err)
{
    (void)err;
    return put_row(&draft->next->certificates, &certificate_schema, id, object);
}

bool draft_set_certificate(struct draft *draft, const struct uuid *id, void *value, struct err *err)
{
    (void)err;
    pmap_set(&draft->next->certificates, &snapshot_rows, id->bytes, value);
    return true;
}

bool draft_put_sni(struct draft *draft, const struct uuid *id, void *object, struct err *err)
{
    (void)err;
    return put_row(&draft->next->snis, &sni_schema, id, object);
}

bool draft_set_sni(struct draft *draft, const struct uuid *id, void *value, struct err *err)
{
    (void)err;
    pmap_set(&draft->next->snis, &snapshot_rows, id->bytes, value);
    return true;
}

bool draft_put_authority(struct draft *draft, const struct uuid *id, void *object, struct err *err)
{
    (void)err;
    return put_row(&draft->next->authorities, &ca_certificate_schema, id, object);
}

bool draft_set_authority(struct draft *draft, const struct uuid *id, void *value, struct err *err)
{
    (void)err;
    pmap_set(&draft->next->authorities, &snapshot_rows, id->bytes, value);
    return true;
}
