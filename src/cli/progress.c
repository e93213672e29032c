/* How far a long call has come: a bar on a terminal, plain lines elsewhere.
 *
 * A bar is drawn at most ten times a second and never on anything but a terminal; a log gets one
 * line when a stage ends, with what it did. The remaining time is estimated from the bytes, because
 * the rows of the files differ in size by a factor of a thousand. Standard error, so that the report
 * of the command stays alone on standard output. */
#include "progress.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "text.h"

enum { BAR_COLUMNS = 24, STAGE_COLUMNS = 18 };
static const double redraw_seconds = 0.1;

double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void progress_start(progress *p)
{
    *p = (progress){ 0 };
    p->is_terminal = isatty(STDERR_FILENO);
    p->started = seconds_now();
}

static size_t terminal_columns(void)
{
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

static void add_bar(text *line, double part)
{
    int full = (int)(part * BAR_COLUMNS);
    text_add(line, " [");
    for (int i = 0; i < BAR_COLUMNS; i++) {
        text_add_char(line, i < full ? '=' : i == full ? '>' : ' ');
    }
    text_printf(line, "] %3.0f %%", part * 100);
}

static void draw(progress *p, const rag_progress *r)
{
    text line = { 0 };
    double took = seconds_now() - p->started;
    text_printf(&line, "%-*s", STAGE_COLUMNS, p->stage);
    if (r->bytes_total > 0) {
        double part = (double)r->bytes_done / (double)r->bytes_total;
        part = part > 1 ? 1 : part;
        add_bar(&line, part);
        text_add(&line, "  ");
        text_add_size(&line, r->bytes_done);
        text_add(&line, " of ");
        text_add_size(&line, r->bytes_total);
        if (part > 0.02 && part < 1 && took > 1) {
            long left = (long)(took / part - took + 0.5);
            text_printf(&line, "  %ld:%02ld left", left / 60, left % 60);
        }
    }
    if (r->items_done > 0) {
        text_add(&line, "  ");
        text_add_number_of(&line, r->items_done, "row", "rows");
        if (took > 0.5) {
            text_add(&line, ", ");
            text_add_count(&line, (uint64_t)((double)r->items_done / took));
            text_add(&line, "/s");
        }
    }
    int columns = (int)text_fit(line.data, line.len, terminal_columns() - 1);
    fprintf(stderr, "\r%.*s\x1b[K", columns, line.data);
    fflush(stderr);
    p->is_shown = 1;
    text_free(&line);
}

/* The line that a log gets when a stage is over; `now` is how far the call has come by then. */
static void print_stage(const progress *p, const rag_progress *now)
{
    text line = { 0 };
    if (p->is_terminal || p->stage[0] == '\0') {
        return;
    }
    text_add(&line, p->stage);
    text_add(&line, ": ");
    if (now->items_done > p->first.items_done) {
        uint64_t rows = now->items_done - p->first.items_done;
        text_add_number_of(&line, rows, "row, ", "rows, ");
    }
    if (now->bytes_done > p->first.bytes_done) {
        text_add_size(&line, now->bytes_done - p->first.bytes_done);
        text_add(&line, ", ");
    }
    text_add_seconds(&line, seconds_now() - p->stage_started);
    if (now->bytes_total > 0) {
        text_printf(&line, " (%.0f %% of all)",
                    100 * (double)now->bytes_done / (double)now->bytes_total);
    }
    fprintf(stderr, "%s\n", line.data);
    text_free(&line);
}

/* Go over to another stage, which begins with this report. */
static void change_stage(progress *p, const char *stage, const rag_progress *report)
{
    if (strncmp(p->stage, stage, sizeof p->stage - 1) == 0) {
        return;
    }
    print_stage(p, report);
    snprintf(p->stage, sizeof p->stage, "%s", stage);
    p->stage_started = seconds_now();
    p->first = p->last = *report;
}

void progress_stage(progress *p, const char *stage)
{
    const rag_progress nothing = { 0 };
    print_stage(p, &p->last);
    p->stage[0] = '\0';
    change_stage(p, stage, &nothing);
    if (p->is_terminal) {
        draw(p, &nothing);
    }
}

void progress_report(void *user, const rag_progress *report)
{
    progress *p = user;
    change_stage(p, report->stage ? report->stage : "", report);
    p->last = *report;
    double now = seconds_now();
    if (p->is_terminal && now - p->drawn >= redraw_seconds) {
        p->drawn = now;
        draw(p, report);
    }
}

void progress_end(progress *p)
{
    print_stage(p, &p->last);
    if (p->is_shown) {
        fputs("\r\x1b[K", stderr);
        fflush(stderr);
    }
    p->stage[0] = '\0';
    p->is_shown = 0;
}
