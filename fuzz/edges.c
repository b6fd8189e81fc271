/* What a program needs that was built with LLVM's edge counters (`fuzz/coverage`): at its end it writes one line for
   each counter into a file of its own below $EDGES_DIR: address, 1 if it is a function's first, 1 if it was reached. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct place {
    uintptr_t address;
    uintptr_t flags;
};

static const uint8_t *counters, *counters_end;
static const struct place *places, *places_end;
/* Where the program was loaded. */
extern const char __executable_start;

static void fail(const char *what) {
    perror(what);
    abort();
}

static void write_table(void) {
    const char *folder = getenv("EDGES_DIR");
    if (!folder)
        return;
    if (counters_end - counters != places_end - places)
        fail("edges: as many counters as places");
    char path[4096];
    if (snprintf(path, sizeof path, "%s/%ld.edges", folder, (long)getpid()) >= (int)sizeof path)
        fail("edges: the path is too long");
    FILE *file = fopen(path, "w");
    if (!file)
        fail(path);
    for (long i = 0; i < counters_end - counters; i++) {
        /* 1 stands for a block that was taken out after it had got its counter. */
        uintptr_t address = places[i].address > 1 ? places[i].address - (uintptr_t)&__executable_start : 0;
        fprintf(file, "%" PRIxPTR " %d %d\n", address, (int)(places[i].flags & 1), counters[i] != 0);
    }
    if (ferror(file) | fclose(file))
        fail(path);
}

/* Each object file of the program calls both with the same values: the linker puts all tables together. */
void __sanitizer_cov_8bit_counters_init(const uint8_t *start, const uint8_t *end) {
    if (!counters && atexit(write_table))
        fail("atexit");
    counters = start;
    counters_end = end;
}

void __sanitizer_cov_pcs_init(const struct place *start, const struct place *end) {
    places = start;
    places_end = end;
}
