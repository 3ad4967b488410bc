/* peak.h: what this machine can do at best, measured: multiply-adds from registers, and memory moved. For `nudge bench`,
 * whose figures are shares of it. Knows cpu/'s instruction sets and threads. */
#ifndef JOBS_PEAK_H
#define JOBS_PEAK_H

#include "cpu/isa.h"
#include "cpu/threads.h"
#include <stddef.h>

double peak_seconds(void); /* a clock that only goes forward */

/* Single-precision operations in a second by all threads of the pool (NULL: the caller alone); an FMA is two. */
double peak_flops(Isa isa, Threads *pool);

/* Bytes in a second of a = b + s*c over so much memory in all (McCalpin's STREAM triad), or of reading it, whichever
 * is faster; at least 16 KiB. 0 if there is not enough memory. */
double peak_bandwidth(size_t bytes, Threads *pool);

#endif
