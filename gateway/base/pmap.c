/*
 * pmap - a hash trie: each level uses five bits of the key, a node holds only the slots that are taken.
 *
 * A slot is a leaf (key and value) or a node of the next level; the lowest bit of the pointer tells which.
 * Keys are unique and 128 bits long, so two of them part at some level.
 */

#include "gateway/base/pmap.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"

enum {
    BITS = 5,
    FAN = 1 << BITS
};

struct leaf {
    uint32_t refs;
    uint8_t key[16];
    void *value;
};

struct node {
    uint32_t refs;
    uint32_t taken; /* bit i: slot i is there */
    uintptr_t slots[];
};

struct pmap {
    uint32_t refs;
    size_t count;
    struct node *root;
};

static bool is_leaf(uintptr_t slot)
{
    return (slot & 1) != 0;
}

static struct leaf *leaf_of(uintptr_t slot)
{
    return (struct leaf *)(slot & ~(uintptr_t)1); /* NOLINT(performance-no-int-to-ptr) */
}

static struct node *node_of(uintptr_t slot)
{
    return (struct node *)slot; /* NOLINT(performance-no-int-to-ptr) */
}

static unsigned bits_at(const uint8_t key[16], unsigned level)
{
    unsigned from = level * BITS;
    unsigned byte = from / 8;
    unsigned word = key[byte] | (byte + 1 < 16 ? (unsigned)key[byte + 1] << 8 : 0);
    return word >> from % 8 & (FAN - 1);
}

static unsigned slot_count(const struct node *node)
{
    return (unsigned)__builtin_popcount(node->taken);
}

/* Where slot `bits` stands in slots[], taken or not. */
static unsigned position_of(const struct node *node, unsigned bits)
{
    return (unsigned)__builtin_popcount(node->taken & ((1U << bits) - 1));
}

static void slot_ref(uintptr_t slot)
{
    if (is_leaf(slot))
        leaf_of(slot)->refs++;
    else
        node_of(slot)->refs++;
}

static void slot_unref(uintptr_t slot, const struct pmap_values *values)
{
    if (is_leaf(slot)) {
        struct leaf *leaf = leaf_of(slot);
        if (--leaf->refs > 0)
            return;
        if (values->unref != NULL)
            values->unref(leaf->value);
        free(leaf);
        return;
    }
    struct node *node = node_of(slot);
    if (--node->refs > 0)
        return;
    for (unsigned i = 0; i < slot_count(node); i++)
        slot_unref(node->slots[i], values);
    free(node);
}

static uintptr_t leaf_new(const struct pmap_values *values, const uint8_t key[16], void *value)
{
    struct leaf *leaf = mem_alloc(sizeof(*leaf));
    leaf->refs = 1;
    memcpy(leaf->key, key, sizeof(leaf->key));
    leaf->value = value;
    if (values->ref != NULL)
        values->ref(value);
    return (uintptr_t)leaf | 1;
}

static struct node *node_new(uint32_t taken)
{
    struct node *node = mem_alloc(sizeof(*node) + (size_t)__builtin_popcount(taken) * sizeof(uintptr_t));
    node->refs = 1;
    node->taken = taken;
    return node;
}

/*
 * The functions below take over the caller's reference to a node and give one to what it has become: the node
 * itself, changed, when nobody else holds it; otherwise a copy, and the node stays as it is for the others.
 */

/* The slots are copied; each is held once more, unless they left a node that was nobody else's. */
static void leave(struct node *node)
{
    if (node->refs == 1) {
        free(node);
        return;
    }
    for (unsigned i = 0; i < slot_count(node); i++)
        slot_ref(node->slots[i]);
    node->refs--;
}

static struct node *owned(struct node *node)
{
    if (node->refs == 1)
        return node;
    struct node *copy = node_new(node->taken);
    memcpy(copy->slots, node->slots, slot_count(node) * sizeof(uintptr_t));
    leave(node);
    return copy;
}

/* With room for one more slot, or without the one there. */
static struct node *widened(struct node *node, unsigned bits)
{
    unsigned at = position_of(node, bits);
    struct node *copy = node_new(node->taken | 1U << bits);
    memcpy(copy->slots, node->slots, at * sizeof(uintptr_t));
    memcpy(copy->slots + at + 1, node->slots + at, (slot_count(node) - at) * sizeof(uintptr_t));
    leave(node);
    return copy;
}

/* The slot's reference is the caller's. */
static struct node *narrowed(struct node *node, unsigned bits, uintptr_t *slot)
{
    unsigned at = position_of(node, bits);
    struct node *copy = node_new(node->taken & ~(1U << bits));
    *slot = node->slots[at];
    memcpy(copy->slots, node->slots, at * sizeof(uintptr_t));
    memcpy(copy->slots + at, node->slots + at + 1, (slot_count(copy) - at) * sizeof(uintptr_t));
    leave(node);
    return copy;
}

/* Two keys in one slot: nodes down to where they part. Takes both over. */
static struct node *parted(uintptr_t one, uintptr_t other, unsigned level)
{
    unsigned first = bits_at(leaf_of(one)->key, level);
    unsigned second = bits_at(leaf_of(other)->key, level);
    struct node *node = node_new(1U << first | 1U << second);
    if (first == second) {
        node->slots[0] = (uintptr_t)parted(one, other, level + 1);
        return node;
    }
    node->slots[first < second ? 0 : 1] = one;
    node->slots[first < second ? 1 : 0] = other;
    return node;
}

/* Takes `leaf` over. */
static struct node *insert(struct node *node, const struct pmap_values *values, unsigned level,
                           uintptr_t leaf, bool *replaced)
{
    unsigned bits = bits_at(leaf_of(leaf)->key, level);
    if ((node->taken >> bits & 1) == 0) {
        struct node *wide = widened(node, bits);
        wide->slots[position_of(wide, bits)] = leaf;
        return wide;
    }
    node = owned(node);
    uintptr_t *slot = &node->slots[position_of(node, bits)];
    if (!is_leaf(*slot)) {
        *slot = (uintptr_t)insert(node_of(*slot), values, level + 1, leaf, replaced);
    } else if (memcmp(leaf_of(*slot)->key, leaf_of(leaf)->key, sizeof(leaf_of(leaf)->key)) == 0) {
        *replaced = true;
        slot_unref(*slot, values);
        *slot = leaf;
    } else {
        *slot = (uintptr_t)parted(*slot, leaf, level + 1);
    }
    return node;
}

/* NULL: nothing is left. The key is known to be there. */
static struct node *erase(struct node *node, const struct pmap_values *values, unsigned level,
                          const uint8_t key[16])
{
    unsigned bits = bits_at(key, level);
    uintptr_t slot = node->slots[position_of(node, bits)];
    if (!is_leaf(slot)) {
        node = owned(node);
        uintptr_t *inner = &node->slots[position_of(node, bits)];
        struct node *left = erase(node_of(*inner), values, level + 1, key);
        if (left != NULL) {
            *inner = (uintptr_t)left;
            return node;
        }
        slot = 0;
    }
    uintptr_t out = 0;
    node = narrowed(node, bits, &out);
    if (slot != 0)
        slot_unref(out, values);
    if (node->taken != 0)
        return node;
    free(node);
    return NULL;
}

/* Takes the caller's reference; the one it gives is nobody else's. */
static struct pmap *own_map(struct pmap *map)
{
    if (map != NULL && map->refs == 1)
        return map;
    struct pmap *own = mem_alloc(sizeof(*own));
    *own = (struct pmap){.refs = 1};
    if (map == NULL)
        return own;
    own->count = map->count;
    own->root = map->root;
    own->root->refs++;
    map->refs--;
    return own;
}

static void put(struct pmap **map, const struct pmap_values *values, const uint8_t key[16], void *value)
{
    bool replaced = false;
    uintptr_t leaf = leaf_new(values, key, value);
    struct pmap *own = own_map(*map);
    if (own->root == NULL)
        own->root = node_new(0);
    own->root = insert(own->root, values, 0, leaf, &replaced);
    own->count += replaced ? 0 : 1;
    *map = own;
}

static void take_out(struct pmap **map, const struct pmap_values *values, const uint8_t key[16])
{
    if (pmap_find(*map, key) == NULL)
        return;
    struct pmap *own = own_map(*map);
    own->root = erase(own->root, values, 0, key);
    own->count--;
    *map = own;
    if (own->root != NULL)
        return;
    free(own);
    *map = NULL;
}

void pmap_set(struct pmap **map, const struct pmap_values *values, const uint8_t key[16], void *value)
{
    if (value != NULL)
        put(map, values, key, value);
    else
        take_out(map, values, key);
}

void **pmap_slot(struct pmap **map, const struct pmap_values *values, const uint8_t key[16])
{
    if (pmap_find(*map, key) == NULL)
        return NULL;
    *map = own_map(*map);
    uintptr_t *slot = (uintptr_t *)&(*map)->root;
    for (unsigned level = 0; !is_leaf(*slot); level++) {
        struct node *node = owned(node_of(*slot));
        *slot = (uintptr_t)node;
        slot = &node->slots[position_of(node, bits_at(key, level))];
    }
    struct leaf *leaf = leaf_of(*slot);
    if (leaf->refs > 1) {
        *slot = leaf_new(values, key, leaf->value);
        leaf->refs--;
    }
    return &leaf_of(*slot)->value;
}

struct pmap *pmap_ref(struct pmap *map)
{
    if (map != NULL)
        map->refs++;
    return map;
}

void pmap_unref(struct pmap *map, const struct pmap_values *values)
{
    if (map == NULL || --map->refs > 0)
        return;
    slot_unref((uintptr_t)map->root, values);
    free(map);
}

void *pmap_find(const struct pmap *map, const uint8_t key[16])
{
    const struct node *node = map != NULL ? map->root : NULL;
    for (unsigned level = 0; node != NULL; level++) {
        unsigned bits = bits_at(key, level);
        if ((node->taken >> bits & 1) == 0)
            return NULL;
        uintptr_t slot = node->slots[position_of(node, bits)];
        if (is_leaf(slot)) {
            const struct leaf *leaf = leaf_of(slot);
            return memcmp(leaf->key, key, sizeof(leaf->key)) == 0 ? leaf->value : NULL;
        }
        node = node_of(slot);
    }
    return NULL;
}

size_t pmap_count(const struct pmap *map)
{
    return map != NULL ? map->count : 0;
}

static bool each_of(const struct node *node, bool (*each)(void *arg, const uint8_t key[16], void *value),
                    void *arg)
{
    for (unsigned i = 0; i < slot_count(node); i++) {
        uintptr_t slot = node->slots[i];
        if (is_leaf(slot) ? !each(arg, leaf_of(slot)->key, leaf_of(slot)->value)
                          : !each_of(node_of(slot), each, arg))
            return false;
    }
    return true;
}

void pmap_each(const struct pmap *map, bool (*each)(void *arg, const uint8_t key[16], void *value), void *arg)
{
    if (map != NULL)
        (void)each_of(map->root, each, arg);
}
