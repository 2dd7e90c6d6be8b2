/*
 * trie - a radix tree over bytes. A node has a label (the bytes since its parent), children by their first
 * byte, and the candidates whose prefix ends here, in order of precedence. All of a node is one block of
 * memory.
 */

#include "gateway/router/trie.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"

struct trie {
    uint32_t refs;
    uint32_t here_count;
    uint32_t label_length;
    uint16_t child_count; /* at most one per byte */
    /* struct trie *children[child_count]; const struct candidate *here[here_count];
     * char label[label_length] */
    void *parts[];
};

/* Both are written only while a node is new; const ends here so that reading needs no second pair. */
static struct trie **children(const struct trie *node)
{
    return (struct trie **)(uintptr_t)node->parts; /* NOLINT(performance-no-int-to-ptr) */
}

static const struct candidate **here(const struct trie *node)
{
    uintptr_t at = (uintptr_t)(children(node) + node->child_count);
    return (const struct candidate **)at; /* NOLINT(performance-no-int-to-ptr) */
}

static char *label(const struct trie *node)
{
    return (char *)(here(node) + node->here_count);
}

static struct trie *node_new(size_t child_count, size_t here_count, struct str text)
{
    struct trie *node = mem_alloc(sizeof(*node) + (child_count + here_count) * sizeof(void *) + text.len);
    node->refs = 1;
    node->child_count = (uint16_t)child_count;
    node->here_count = (uint32_t)here_count;
    node->label_length = (uint32_t)text.len;
    memcpy(label(node), text.at, text.len);
    return node;
}

static struct str label_of(const struct trie *node)
{
    return (struct str){label(node), node->label_length};
}

struct trie *trie_ref(struct trie *trie)
{
    if (trie != NULL)
        trie->refs++;
    return trie;
}

void trie_unref(struct trie *trie)
{
    if (trie == NULL || --trie->refs > 0)
        return;
    for (size_t i = 0; i < trie->child_count; i++)
        trie_unref(children(trie)[i]);
    for (size_t i = 0; i < trie->here_count; i++)
        rule_unref(here(trie)[i]->rule);
    free(trie);
}

/* Copies what stays; rules and children get a reference each. */
static void take_here(struct trie *to, const struct trie *from)
{
    for (size_t i = 0; i < from->here_count; i++) {
        here(to)[i] = here(from)[i];
        rule_ref(here(from)[i]->rule);
    }
}

static void take_children(struct trie *to, const struct trie *from)
{
    for (size_t i = 0; i < from->child_count; i++)
        children(to)[i] = trie_ref(children(from)[i]);
}

static struct trie *with_label(const struct trie *node, struct str text)
{
    struct trie *copy = node_new(node->child_count, node->here_count, text);
    take_children(copy, node);
    take_here(copy, node);
    return copy;
}

/* Where a child beginning with `byte` is or would be. */
static size_t child_position(const struct trie *node, unsigned char byte, bool *found)
{
    size_t low = 0;
    size_t high = node->child_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if ((unsigned char)label(children(node)[middle])[0] < byte)
            low = middle + 1;
        else
            high = middle;
    }
    *found = low < node->child_count && (unsigned char)label(children(node)[low])[0] == byte;
    return low;
}

/* With `child` (owned) at `position`, in place of the one there or before it. NULL: the one there goes. */
static struct trie *with_child(const struct trie *node, size_t position, bool replace, struct trie *child)
{
    size_t count = node->child_count - (replace ? 1U : 0U) + (child != NULL ? 1U : 0U);
    struct trie *copy = node_new(count, node->here_count, label_of(node));
    size_t to = 0;
    for (size_t i = 0; i < node->child_count; i++) {
        if (i == position && child != NULL)
            children(copy)[to++] = child;
        if (i != position || !replace)
            children(copy)[to++] = trie_ref(children(node)[i]);
    }
    if (position == node->child_count && child != NULL)
        children(copy)[to] = child;
    take_here(copy, node);
    return copy;
}

static struct trie *with_here(const struct trie *node, const struct candidate *candidate)
{
    struct trie *copy = node_new(node->child_count, node->here_count + 1U, label_of(node));
    size_t at = 0;
    while (at < node->here_count && candidate_precedes(here(node)[at], candidate))
        at++;
    take_children(copy, node);
    for (size_t i = 0; i < node->here_count; i++) {
        here(copy)[i + (i >= at ? 1 : 0)] = here(node)[i];
        rule_ref(here(node)[i]->rule);
    }
    here(copy)[at] = candidate;
    rule_ref(candidate->rule);
    return copy;
}

static struct trie *leaf_new(const struct candidate *candidate, struct str rest)
{
    struct trie *leaf = node_new(0, 1, rest);
    here(leaf)[0] = candidate;
    rule_ref(candidate->rule);
    return leaf;
}

static size_t common_length(struct str a, struct str b)
{
    size_t most = a.len < b.len ? a.len : b.len;
    size_t len = 0;
    while (len < most && a.at[len] == b.at[len])
        len++;
    return len;
}

static struct trie *insert(const struct trie *node, const struct candidate *candidate, struct str rest);

/* `rest` parts from the node's label inside it: a node for what they share, the two below. */
static struct trie *split(const struct trie *node, const struct candidate *candidate, struct str rest,
                          size_t shared)
{
    struct str text = label_of(node);
    struct trie *lower = with_label(node, str_part(text, shared, text.len));
    struct trie *upper = node_new(1, 0, str_part(text, 0, shared));
    children(upper)[0] = lower;
    struct trie *both = insert(upper, candidate, rest);
    trie_unref(upper);
    return both;
}

/* `rest` begins at the node's label. */
static struct trie *insert(const struct trie *node, const struct candidate *candidate, struct str rest)
{
    size_t shared = common_length(label_of(node), rest);
    if (shared < node->label_length)
        return split(node, candidate, rest, shared);
    rest = str_part(rest, shared, rest.len);
    if (rest.len == 0)
        return with_here(node, candidate);
    bool found;
    size_t position = child_position(node, (unsigned char)rest.at[0], &found);
    struct trie *child =
        found ? insert(children(node)[position], candidate, rest) : leaf_new(candidate, rest);
    return with_child(node, position, found, child);
}

static struct trie *without_here(const struct trie *node, const struct candidate *candidate)
{
    size_t at = 0;
    while (at < node->here_count && here(node)[at] != candidate)
        at++;
    if (at == node->here_count)
        return with_label(node, label_of(node));
    struct trie *copy = node_new(node->child_count, node->here_count - 1U, label_of(node));
    take_children(copy, node);
    for (size_t i = 0, to = 0; i < node->here_count; i++) {
        if (i == at)
            continue;
        here(copy)[to++] = here(node)[i];
        rule_ref(here(node)[i]->rule);
    }
    return copy;
}

/* A node without candidates and with one child is that child with a longer label; one with nothing is
 * nothing. */
static struct trie *tidy(struct trie *node)
{
    if (node->here_count > 0 || node->child_count > 1)
        return node;
    struct trie *merged = NULL;
    if (node->child_count == 1) {
        struct buf text = {0};
        buf_add_str(&text, label_of(node));
        buf_add_str(&text, label_of(children(node)[0]));
        merged = with_label(children(node)[0], buf_str(&text));
        buf_fini(&text);
    }
    trie_unref(node);
    return merged;
}

static struct trie *erase(const struct trie *node, const struct candidate *candidate, struct str rest)
{
    rest = str_part(rest, node->label_length, rest.len);
    if (rest.len == 0)
        return tidy(without_here(node, candidate));
    bool found;
    size_t position = child_position(node, (unsigned char)rest.at[0], &found);
    if (!found)
        return with_label(node, label_of(node));
    return tidy(with_child(node, position, true, erase(children(node)[position], candidate, rest)));
}

struct trie *trie_with(const struct trie *trie, const struct candidate *candidate)
{
    return trie != NULL ? insert(trie, candidate, candidate->prefix) : leaf_new(candidate, candidate->prefix);
}

struct trie *trie_without(const struct trie *trie, const struct candidate *candidate)
{
    return trie != NULL ? erase(trie, candidate, candidate->prefix) : NULL;
}

static void match_here(const struct trie *node, const struct router_query *query,
                       const struct candidate **best, struct router_match *match)
{
    for (size_t i = 0; i < node->here_count; i++) {
        const struct candidate *candidate = here(node)[i];
        if (*best != NULL && !candidate_precedes(candidate, *best))
            return; /* the rest is in order behind it */
        if (candidate_matches(candidate, query, match)) {
            *best = candidate;
            return;
        }
    }
}

void trie_match(const struct trie *trie, const struct router_query *query, const struct candidate **best,
                struct router_match *match)
{
    struct str rest = query->path;
    while (trie != NULL) {
        if (!str_starts_with(rest, label_of(trie)))
            return;
        rest = str_part(rest, trie->label_length, rest.len);
        match_here(trie, query, best, match);
        if (rest.len == 0)
            return;
        bool found;
        size_t position = child_position(trie, (unsigned char)rest.at[0], &found);
        trie = found ? children(trie)[position] : NULL;
    }
}
