/* pace.c: see pace.h. */
#include "cpu/pace.h"

enum { PACE_FIRST = 8, PACE_LAST = 512 };

/* A first run pays for cold caches and threads that are not there yet, so two of a kind are needed to judge. */
bool pace_alone(Pace *p)
{
    if (p->timed[0] < 2) return false;
    if (p->timed[1] < 2) return true;
    if (p->since < p->period) return p->alone;
    p->since = 0;
    return !p->alone;
}

/* What was tried long ago is forgotten. A run that takes twice as long as usual may be chance, or the cores are wanted
 * elsewhere: the other way is tried soon. */
void pace_took(Pace *p, bool alone, double seconds)
{
    double *usual = &p->seconds[alone];
    bool slow = p->timed[alone] > 2 && seconds > 2 * *usual;
    bool fresh = p->timed[alone] < 2 || alone != p->alone;
    *usual = fresh ? seconds : *usual + (seconds - *usual) / 4;
    if (p->timed[alone] < 3) p->timed[alone]++;
    p->since++;
    bool better = p->seconds[1] < p->seconds[0];
    if (better != p->alone || !p->period || (slow && alone == p->alone))
        p->period = PACE_FIRST;
    else if (alone != p->alone && p->period < PACE_LAST)
        p->period *= 2;
    p->alone = better;
}
