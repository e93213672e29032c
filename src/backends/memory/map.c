/* A persistent treap: a search tree by key and at the same time a heap by priorities drawn at
 * random, which keeps it balanced whatever the keys are and however they arrive. Putting and
 * removing copy the nodes on the way from the root to the place of the change and share the rest.
 *
 * Invariants: a node never changes once it was made; it owns one reference to its item and one to
 * each child; `count` and `bytes` are sums over its subtree, which is how counters are kept here.
 * Recursion is as deep as the tree, which is logarithmic. Who may call: this folder. */
#include "map.h"

#include <string.h>

struct map_node {
    atomic_size_t references;
    uint64_t priority;
    uint64_t count, bytes;
    struct item *item;
    struct map_node *left, *right;
};

int memory_compare_keys(rag_slice a, rag_slice b)
{
    const size_t shared = a.len < b.len ? a.len : b.len;
    const int order = shared ? memcmp(a.data, b.data, shared) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

void memory_item_retain(struct item *item)
{
    atomic_fetch_add_explicit(&item->references, 1, memory_order_relaxed);
}

void memory_item_release(const rag_host *host, struct item *item)
{
    if (item && atomic_fetch_sub_explicit(&item->references, 1, memory_order_acq_rel) == 1)
        item->dispose(host, item);
}

/* ---- nodes ------------------------------------------------------------------------------------ */

/* Independent of the keys, so that nobody can choose keys that make the tree a list. */
static uint64_t draw_priority(void)
{
    static atomic_uint_fast64_t state = 0x2545f4914f6cdd1d;
    uint64_t z = atomic_fetch_add_explicit(&state, 0x9e3779b97f4a7c15, memory_order_relaxed);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static struct map_node *node_retain(struct map_node *node)
{
    if (node)
        atomic_fetch_add_explicit(&node->references, 1, memory_order_relaxed);
    return node;
}

static void node_release(const rag_host *host, struct map_node *node)
{
    if (!node || atomic_fetch_sub_explicit(&node->references, 1, memory_order_acq_rel) != 1)
        return;
    node_release(host, node->left);
    node_release(host, node->right);
    memory_item_release(host, node->item);
    host->free(node);
}

static uint64_t count_of(const struct map_node *node)
{
    return node ? node->count : 0;
}

static uint64_t bytes_of(const struct map_node *node)
{
    return node ? node->bytes : 0;
}

/* A new node that retains `item` and takes over both children, also when it fails (NULL). */
static struct map_node *node_new(const rag_host *host, struct item *item, uint64_t priority,
                                 struct map_node *left, struct map_node *right)
{
    struct map_node *node = host->alloc(sizeof *node);
    if (!node) {
        node_release(host, left);
        node_release(host, right);
        return NULL;
    }
    atomic_init(&node->references, 1);
    node->priority = priority;
    node->count = 1 + count_of(left) + count_of(right);
    node->bytes = item->bytes + bytes_of(left) + bytes_of(right);
    memory_item_retain(item);
    node->item = item;
    node->left = left;
    node->right = right;
    return node;
}

/* ---- change: each returns a tree that the caller owns; NULL from put: no memory ------------------ */

/* `node` with a new left child, which is taken over; turned when the child has to be above it. */
static struct map_node *with_left(const rag_host *host, struct map_node *node,
                                  struct map_node *left)
{
    struct map_node *keep = node_retain(node->right);
    if (left->priority <= node->priority)
        return node_new(host, node->item, node->priority, left, keep);
    struct map_node *below =
        node_new(host, node->item, node->priority, node_retain(left->right), keep);
    struct map_node *top =
        below ? node_new(host, left->item, left->priority, node_retain(left->left), below) : NULL;
    node_release(host, left);
    return top;
}

static struct map_node *with_right(const rag_host *host, struct map_node *node,
                                   struct map_node *right)
{
    struct map_node *keep = node_retain(node->left);
    if (right->priority <= node->priority)
        return node_new(host, node->item, node->priority, keep, right);
    struct map_node *below =
        node_new(host, node->item, node->priority, keep, node_retain(right->left));
    struct map_node *top =
        below ? node_new(host, right->item, right->priority, below, node_retain(right->right))
              : NULL;
    node_release(host, right);
    return top;
}

static struct map_node *put(const rag_host *host, struct map_node *node, struct item *item)
{
    if (!node)
        return node_new(host, item, draw_priority(), NULL, NULL);
    const int order = memory_compare_keys(item->key, node->item->key);
    if (order == 0)
        return node_new(host, item, node->priority, node_retain(node->left),
                        node_retain(node->right));
    struct map_node *child = put(host, order < 0 ? node->left : node->right, item);
    if (!child)
        return NULL;
    return order < 0 ? with_left(host, node, child) : with_right(host, node, child);
}

/* All of two trees of which the first has the smaller keys. *failed: no memory. */
static struct map_node *join(const rag_host *host, struct map_node *a, struct map_node *b,
                             int *failed)
{
    if (!a || !b)
        return node_retain(a ? a : b);
    const int a_above = a->priority > b->priority;
    struct map_node *middle =
        a_above ? join(host, a->right, b, failed) : join(host, a, b->left, failed);
    if (*failed)
        return NULL;
    struct map_node *top =
        a_above ? node_new(host, a->item, a->priority, node_retain(a->left), middle)
                : node_new(host, b->item, b->priority, middle, node_retain(b->right));
    *failed = !top;
    return top;
}

/* The key is there. */
static struct map_node *drop(const rag_host *host, struct map_node *node, rag_slice key,
                             int *failed)
{
    const int order = memory_compare_keys(key, node->item->key);
    if (order == 0)
        return join(host, node->left, node->right, failed);
    struct map_node *child = drop(host, order < 0 ? node->left : node->right, key, failed);
    if (*failed)
        return NULL;
    struct map_node *left = order < 0 ? child : node_retain(node->left);
    struct map_node *right = order < 0 ? node_retain(node->right) : child;
    struct map_node *copy = node_new(host, node->item, node->priority, left, right);
    *failed = !copy;
    return copy;
}

/* ---- the map ------------------------------------------------------------------------------------ */

struct map memory_map_retain(struct map map)
{
    (void)node_retain(map.root);
    return map;
}

void memory_map_release(const rag_host *host, struct map map)
{
    node_release(host, map.root);
}

uint64_t memory_map_count(struct map map)
{
    return count_of(map.root);
}

uint64_t memory_map_bytes(struct map map)
{
    return bytes_of(map.root);
}

struct item *memory_map_find(struct map map, rag_slice key)
{
    const struct map_node *node = map.root;
    while (node) {
        const int order = memory_compare_keys(key, node->item->key);
        if (order == 0)
            return node->item;
        node = order < 0 ? node->left : node->right;
    }
    return NULL;
}

struct item *memory_map_above(struct map map, rag_slice key)
{
    struct item *best = NULL;
    const struct map_node *node = map.root;
    while (node) {
        const int is_above = memory_compare_keys(node->item->key, key) > 0;
        if (is_above)
            best = node->item;
        node = is_above ? node->left : node->right;
    }
    return best;
}

int memory_map_put(const rag_host *host, struct map *map, struct item *item)
{
    struct map_node *root = put(host, map->root, item);
    if (!root)
        return 0;
    node_release(host, map->root);
    map->root = root;
    return 1;
}

int memory_map_remove(const rag_host *host, struct map *map, rag_slice key)
{
    if (!memory_map_find(*map, key))
        return 1;
    int failed = 0;
    struct map_node *root = drop(host, map->root, key, &failed);
    if (failed)
        return 0;
    node_release(host, map->root);
    map->root = root;
    return 1;
}
