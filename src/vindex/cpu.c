/* Choice of the SIMD level, once per process.
 *
 * The binary runs on plain x86-64: every file that uses more is reached only through the table
 * chosen here. The compiler's __builtin_cpu_supports() also asks the operating system whether it
 * saves the wide registers. Two threads that get here first at the same time compute the same
 * answer, so a relaxed atomic pointer is all the locking there is. */
#include <stdatomic.h>

#include "kernels.h"

static _Atomic(const struct kernels *) chosen;

static int can_run(vindex_level level)
{
    __builtin_cpu_init();
    switch (level) {
    case VINDEX_LEVEL_PORTABLE: return 1;
    case VINDEX_LEVEL_POPCNT: return __builtin_cpu_supports("popcnt") != 0;
    case VINDEX_LEVEL_AVX2:
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
               __builtin_cpu_supports("f16c") && __builtin_cpu_supports("popcnt");
    case VINDEX_LEVEL_AVX512:
        return can_run(VINDEX_LEVEL_AVX2) && __builtin_cpu_supports("avx512f") &&
               __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni") &&
               __builtin_cpu_supports("avx512vpopcntdq");
    default: return 0;
    }
}

static const struct kernels *table_of(vindex_level level)
{
    switch (level) {
    case VINDEX_LEVEL_POPCNT: return &kernels_popcnt;
    case VINDEX_LEVEL_AVX2: return &kernels_avx2;
    case VINDEX_LEVEL_AVX512: return &kernels_avx512;
    case VINDEX_LEVEL_PORTABLE:
    default: return &kernels_portable;
    }
}

static vindex_level best_level(void)
{
    for (int level = VINDEX_LEVEL_AVX512; level > VINDEX_LEVEL_PORTABLE; level--)
        if (can_run((vindex_level)level))
            return (vindex_level)level;
    return VINDEX_LEVEL_PORTABLE;
}

const struct kernels *kernels_get(void)
{
    const struct kernels *k = atomic_load_explicit(&chosen, memory_order_relaxed);
    if (!k) {
        k = table_of(best_level());
        atomic_store_explicit(&chosen, k, memory_order_relaxed);
    }
    return k;
}

vindex_level vindex_cpu_level(void)
{
    const struct kernels *k = kernels_get();
    for (int level = VINDEX_LEVEL_AVX512; level > VINDEX_LEVEL_PORTABLE; level--)
        if (k == table_of((vindex_level)level))
            return (vindex_level)level;
    return VINDEX_LEVEL_PORTABLE;
}

vindex_level vindex_force_level(vindex_level level)
{
    const vindex_level use = can_run(level) ? level : best_level();
    atomic_store_explicit(&chosen, table_of(use), memory_order_relaxed);
    return use;
}

const char *vindex_level_name(vindex_level level)
{
    switch (level) {
    case VINDEX_LEVEL_PORTABLE: return "portable";
    case VINDEX_LEVEL_POPCNT: return "popcnt";
    case VINDEX_LEVEL_AVX2: return "avx2";
    case VINDEX_LEVEL_AVX512: return "avx512";
    default: return "unknown";
    }
}
