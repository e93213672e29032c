/* In whose name a handle leaves things in the store that belong to nobody else (pending vectors).
 *
 * The number is random, not counted: it may be used inside a transaction that is given up later, and
 * must not then be somebody else's. Not 0. */
#include "db_internal.h"

sqlite3_int64 db_owner(struct db *db)
{
    int_least64_t owner = atomic_load(&db->owner);
    while (!owner) {
        int64_t fresh = 0, none = 0;
        sqlite3_randomness(sizeof fresh, &fresh);
        fresh &= INT64_MAX;
        if (fresh && atomic_compare_exchange_strong(&db->owner, &none, fresh))
            owner = fresh;
        else
            owner = atomic_load(&db->owner);
    }
    return owner;
}

void db_owner_used(struct db *db)
{
    atomic_store(&db->owner_is_used, 1);
}

int db_owner_is_used(struct db *db)
{
    return atomic_load(&db->owner_is_used);
}
