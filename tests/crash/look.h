/* Looking at a store that was left by whatever happened to it, and counting what is wrong with it.
 *
 * A store is opened anew, compared with what it must hold, checked, searched through its index files
 * and without them, and written to. What is found is counted and said, and the test goes on: it fails
 * at its end, by tally_must_be_clean(), so that one run tells all of it. */
#ifndef CRASH_LOOK_H
#define CRASH_LOOK_H

#include <stddef.h>

#include "work.h"

struct tally {
    unsigned long looked; /* stores */
    unsigned long known;  /* of these: of bytes that had been looked at before */
    unsigned long best;   /* rows that searches were to find */
    unsigned long missed; /* of these: by searches through an index, which may miss one of 100 */
    unsigned long lost;   /* commits that must be there and are not */
    unsigned long wrong;  /* answers: rows that nobody wrote, findings of check, searches, errors */
    unsigned long stranded; /* locks: the turn of writers was not to be had within a second */
};

/* Of what was looked at since tally_begin(). */
extern struct tally tally;

void tally_begin(void);
/* "creation: 6573 cases, lost commits 0, wrong answers 0, stranded locks 0". */
void tally_print(const char *name, unsigned long cases);
/* Fails the test unless nothing was found. */
void tally_must_be_clean(void);

/* Something else is wrong: said and counted as a wrong answer. */
void complain(const char *what, const char *why);

/* Called when something is found, to say more of what it was about. NULL: nothing. */
extern void (*explain_failure)(void);

/* The store at `path`, opened anew, holds the state after k steps for some first <= k <= last: the
 * largest such k. Also: check finds nothing in it, searches through its indexes find what a search of
 * all rows finds (but for one row in a hundred), and the turn of writers is free. SIZE_MAX: something was found. */
size_t model_must_hold(const struct model *m, const char *path, size_t first, size_t last,
                       const char *what);
/* The same of a store whose content is one of `hashes` (NULL: not that one). `earlier`: of a state
 * that means, when it is found and is not among them, that a commit is lost; NULL: none. */
void must_hold_any_of(const char *path, const char *const *hashes, size_t count,
                      const char *earlier, const char *what);

#endif
