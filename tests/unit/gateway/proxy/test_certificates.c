/*
 * Which certificate belongs to a name, while rows come, change and go.
 */

#include "snapshots.h"

#include "gateway/base/pmap.h"
#include "gateway/http/tls_identity.h"
#include "gateway/proxy/certificates.h"
#include "gateway/proxy/draft.h"
#include "gateway/proxy/snapshot.h"

static const struct draft_options options = {.plugins = installed, .plugin_count = 1};

static struct snapshot *snapshot; /* the last one; freed by the next */

static char *file(const char *name)
{
    char path[128];
    char *text = mem_zalloc(16384);
    (void)snprintf(path, sizeof(path), "tests/support/pem/%s", name);
    FILE *from = fopen(path, "re");
    if (from == NULL)
        fail_msg("no %s", path);
    (void)fread(text, 1, 16383, from);
    (void)fclose(from);
    return text;
}

static void add_file(cJSON *row, const char *member, const char *name)
{
    char *text = file(name);
    cJSON_AddStringToObject(row, member, text);
    free(text);
}

/* From the files of that name: rsa, other (RSA), ecdsa, second (ECDSA). */
static cJSON *certificate_row(unsigned number, const char *pair, const char *second)
{
    char name[64];
    cJSON *row = test_row(number, "{}");
    static const char *const members[] = {"cert", "key", "cert_alt", "key_alt"};
    for (size_t i = 0; i < (second != NULL ? 4 : 2); i++) {
        (void)snprintf(name, sizeof(name), "%s.%s", i < 2 ? pair : second, i % 2 == 0 ? "crt" : "key");
        add_file(row, members[i], name);
    }
    return row;
}

static struct draft *begin(enum draft_start start)
{
    return draft_new(&options, snapshot, start);
}

static void finish(struct draft *draft)
{
    struct snapshot *next = draft_finish(draft, 1, 1);
    snapshot_free(snapshot);
    snapshot = next;
}

static bool put(struct draft *draft, const struct schema *schema, cJSON *row, struct err *err)
{
    bool ok = draft_put(draft, schema, row, err);
    cJSON_Delete(row);
    return ok;
}

static void certificate(unsigned number, const char *pair)
{
    struct err err = {0};
    struct draft *draft = begin(DRAFT_CHANGED);
    if (!put(draft, &certificate_schema, certificate_row(number, pair, NULL), &err))
        fail_msg("%s", err.text);
    finish(draft);
}

static void name(unsigned number, const char *text, unsigned of)
{
    char row[512];
    struct err err = {0};
    struct draft *draft = begin(DRAFT_CHANGED);
    (void)snprintf(row, sizeof(row), "{'name':'%s','certificate':{'id':'$%u$'}}", text, of);
    if (!put(draft, &sni_schema, test_row(number, row), &err))
        fail_msg("%s", err.text);
    finish(draft);
}

static void gone(const struct schema *schema, unsigned number)
{
    struct uuid id = test_id(number);
    struct draft *draft = begin(DRAFT_CHANGED);
    draft_remove(draft, schema, &id);
    finish(draft);
}

static const struct tls_identity *found(const char *text)
{
    return certificates_find(snapshot, str_of(text));
}

static const struct tls_identity *numbered(unsigned number)
{
    struct uuid id = test_id(number);
    return certificates_get(snapshot, &id);
}

static int clear(void **state)
{
    (void)state;
    snapshot_free(snapshot);
    snapshot = NULL;
    finish(begin(DRAFT_CHANGED));
    return 0;
}

static int end(void **state)
{
    (void)state;
    snapshot_free(snapshot);
    snapshot = NULL;
    return 0;
}

static void a_name_is_looked_for_in_four_forms(void **state)
{
    static const char *const forms[] = {"a.b.acme.test", "*.b.acme.test", "a.b.acme.*", "*"};

    (void)state;
    certificate(1, "rsa");
    certificate(2, "ecdsa");
    for (unsigned i = 0; i < COUNT(forms); i++) {
        clear(NULL);
        certificate(1, "rsa");
        certificate(2, "ecdsa");
        for (unsigned j = i; j < COUNT(forms); j++)
            name(10 + j, forms[j], j == i ? 1 : 2);
        assert_ptr_equal(found("a.b.acme.test"), numbered(1));
    }
}

static void a_wildcard_is_exactly_one_label(void **state)
{
    static const struct {
        const char *stored, *asked;
        bool fits;
    } cases[] = {
        /* clang-format off */
        {"acme.test",   "acme.test",     true},
        {"acme.test",   "acme.tes",      false},
        {"acme.test",   "acme.test.",    false},
        {"*.acme.test", "x.acme.test",   true},
        {"*.acme.test", "x.y.acme.test", false},
        {"*.acme.test", "acme.test",     false},
        {"*.acme.test", ".acme.test",    true}, /* no host; h2o's Host never is one either */
        {"*.test",      "acme.test",     false},
        {"acme.*",      "acme.test",     true},
        {"acme.*",      "acme.co.test",  false},
        {"acme.*",      "acme",          false},
        {"x.acme.*",    "x.acme.test",   true},
        {"*",           "x",             true},
        {"*",           "x.y",           true},
        {"*",           NULL,            true},
        {"acme.test",   NULL,            false},
        {"acme.test",   "",              false},
        /* clang-format on */
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        clear(NULL);
        certificate(1, "rsa");
        name(10, cases[i].stored, 1);
        if ((found(cases[i].asked) != NULL) != cases[i].fits)
            fail_msg("%s for %s", cases[i].stored, cases[i].asked);
    }
}

static void a_long_name_fits(void **state)
{
    char text[254];

    (void)state;
    memset(text, 'a', sizeof(text) - 1);
    for (size_t i = 50; i < sizeof(text) - 1; i += 50)
        text[i] = '.';
    text[sizeof(text) - 1] = '\0';
    certificate(1, "rsa");
    name(10, "*", 1);
    assert_ptr_equal(found(text), numbered(1));
}

static void a_change_of_a_certificate_reaches_all_its_names(void **state)
{
    uint8_t before[TLS_IDENTITY_DIGEST_SIZE];

    (void)state;
    certificate(1, "rsa");
    name(10, "one.test", 1);
    name(11, "two.test", 1);
    memcpy(before, tls_identity_digest(found("one.test")), sizeof(before));
    certificate(1, "other");
    assert_ptr_equal(found("one.test"), found("two.test"));
    assert_memory_not_equal(tls_identity_digest(found("one.test")), before, sizeof(before));
    gone(&certificate_schema, 1);
    assert_null(found("one.test"));
}

static void a_name_can_change_hands_in_any_order(void **state)
{
    (void)state;
    certificate(1, "rsa");
    certificate(2, "ecdsa");
    name(10, "x.test", 1);
    name(11, "x.test", 2); /* the new row comes before the old one goes: one batch */
    gone(&sni_schema, 10);
    assert_ptr_equal(found("x.test"), numbered(2));
    name(11, "y.test", 2);
    assert_null(found("x.test"));
    assert_ptr_equal(found("y.test"), numbered(2));
    gone(&sni_schema, 11);
    assert_null(found("y.test"));
}

static void what_cannot_be_used_leaves_the_version_before_it(void **state)
{
    static const struct {
        const char *cert, *key, *reason;
    } cases[] = {
        {"rsa.crt", "other.key", "use the key with its certificate"},
        {"rsa.key", "rsa.key", "read a certificate"},
        {"rsa.crt", "rsa.crt", "read a key"},
    };

    (void)state;
    certificate(1, "rsa");
    name(10, "x.test", 1);
    const struct tls_identity *before = found("x.test");
    for (size_t i = 0; i <= COUNT(cases); i++) {
        struct err err = {0};
        struct draft *draft = begin(i % 2 == 0 ? DRAFT_CHANGED : DRAFT_WHOLE);
        cJSON *row = test_row(1, "{}");
        if (i < COUNT(cases)) {
            add_file(row, "cert", cases[i].cert);
            add_file(row, "key", cases[i].key);
        } else {
            cJSON_AddStringToObject(row, "cert", "{vault://env/cert}");
            cJSON_AddStringToObject(row, "key", "{vault://env/key}");
        }
        assert_false(put(draft, &certificate_schema, row, &err));
        assert_non_null(strstr(err.text, i < COUNT(cases) ? cases[i].reason : "environment variable CERT"));
        if (i % 2 != 0)
            assert_true(
                put(draft, &sni_schema, test_row(10, "{'name':'x.test','certificate':{'id':'$1$'}}"), &err));
        finish(draft);
        assert_ptr_equal(found("x.test"), before);
        assert_int_equal(pmap_count(snapshot->failing), 1);
    }
    certificate(1, "ecdsa");
    assert_int_equal(pmap_count(snapshot->failing), 0);
}

static void a_row_that_never_compiled_is_as_if_it_were_not_there(void **state)
{
    struct err err = {0};
    cJSON *row = test_row(2, "{'cert':'{vault://env/a}','key':'{vault://env/b}'}");

    (void)state;
    certificate(1, "rsa");
    name(10, "*", 1);
    name(11, "x.test", 2);
    struct draft *draft = begin(DRAFT_CHANGED);
    assert_false(put(draft, &certificate_schema, row, &err));
    finish(draft);
    assert_ptr_equal(found("x.test"), numbered(1));
}

static void a_second_pair_must_be_of_another_kind(void **state)
{
    struct err err = {0};
    struct draft *draft = begin(DRAFT_CHANGED);

    (void)state;
    assert_true(put(draft, &certificate_schema, certificate_row(1, "rsa", "ecdsa"), &err));
    assert_false(put(draft, &certificate_schema, certificate_row(2, "rsa", "other"), &err));
    assert_non_null(strstr(err.text, "same kind"));
    finish(draft);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define FACT(name) cmocka_unit_test_setup_teardown(name, clear, end)
        FACT(a_name_is_looked_for_in_four_forms),
        FACT(a_wildcard_is_exactly_one_label),
        FACT(a_long_name_fits),
        FACT(a_change_of_a_certificate_reaches_all_its_names),
        FACT(a_name_can_change_hands_in_any_order),
        FACT(what_cannot_be_used_leaves_the_version_before_it),
        FACT(a_row_that_never_compiled_is_as_if_it_were_not_there),
        FACT(a_second_pair_must_be_of_another_kind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
