/*
 * certificates - see certificates.h.
 */

#include "gateway/proxy/certificates.h"

#include <string.h>

#include "gateway/base/pmap.h"
#include "gateway/http/tls.h"
#include "gateway/http/tls_identity.h"
#include "gateway/model/entities.h"
#include "gateway/proxy/inside.h"
#include "gateway/proxy/snapshot.h"
#include "gateway/proxy/tls_settings.h"

/* Names are public: the salt has nothing to hide. */
void certificates_name_key(struct str name, struct digest *key)
{
    static const struct digest_salt salt = {{0}};

    digest_make(&salt, name, key);
}

const struct tls_identity *certificates_get(const struct snapshot *snapshot, const struct uuid *id)
{
    return pmap_find(snapshot->certificates, id->bytes);
}

static const struct tls_identity *find_exactly(const struct snapshot *snapshot, struct str name)
{
    struct digest key;

    certificates_name_key(name, &key);
    const struct shared_row *row = pmap_find(snapshot->server_names, key.bytes);
    return row != NULL ? certificates_get(snapshot, &shared_sni(row)->certificate) : NULL;
}

/* "*" in place of the first label. A name of two labels has none to spare: "*.test" would be the world. */
static struct str without_first(struct str name, char to[TLS_NAME_MAX + 1])
{
    size_t dot = str_find(name, '.', 0);

    if (dot == SIZE_MAX || str_find(name, '.', dot + 1) == SIZE_MAX)
        return STR_NONE;
    struct str rest = str_part(name, dot, name.len);
    to[0] = '*';
    memcpy(to + 1, rest.at, rest.len);
    return (struct str){to, 1 + rest.len};
}

/* "*" in place of the last label. */
static struct str without_last(struct str name, char to[TLS_NAME_MAX + 1])
{
    size_t dot = SIZE_MAX;

    for (size_t at = str_find(name, '.', 0); at != SIZE_MAX; at = str_find(name, '.', at + 1))
        dot = at;
    if (dot == SIZE_MAX)
        return STR_NONE;
    memcpy(to, name.at, dot + 1);
    to[dot + 1] = '*';
    return (struct str){to, dot + 2};
}

const struct tls_identity *certificates_find(const struct snapshot *snapshot, struct str name)
{
    char forms[2][TLS_NAME_MAX + 1];
    const struct tls_identity *found = NULL;

    if (name.at != NULL && name.len <= TLS_NAME_MAX) {
        const struct str tried[] = {name, without_first(name, forms[0]), without_last(name, forms[1])};

        for (size_t i = 0; found == NULL && i < COUNT(tried); i++)
            found = tried[i].at != NULL ? find_exactly(snapshot, tried[i]) : NULL;
    }
    return found != NULL ? found : find_exactly(snapshot, STR("*"));
}

bool certificates_show(void *arg, struct loop *loop, struct str name, struct ssl_st *ssl)
{
    struct proxy *proxy = arg;
    size_t number = proxy_loop_of(proxy, loop)->number;
    const struct snapshot *snapshot = snapshot_pin(proxy->place, number);
    const struct tls_identity *identity = snapshot != NULL ? certificates_find(snapshot, name) : NULL;
    bool shown = tls_identity_show(identity != NULL ? identity : proxy->tls->fallback, ssl);

    if (snapshot != NULL)
        snapshot_unpin(proxy->place, number, snapshot);
    return shown;
}
