/* nudge.h as C++ sees it: it compiles, and what it declares links. */
#include <nudge.h>

#include <cstdio>
#include <cstring>

static int listen(void *context, const nudge_event *event)
{
    *static_cast<int *>(context) += std::strcmp(event->kind, "epoch") == 0;
    return 0;
}

int main()
{
    const float x[] = {0, 0, 0, 1, 1, 0, 1, 1}, t[] = {0, 1, 1, 0};
    float y[4];
    int epochs = 0;
    nudge *m = nullptr;
    int status = nudge_new(&m, 2, "dense(4) sigmoid dense(1) sigmoid", "loss=sse seed=1");
    nudge_progress(m, listen, &epochs);
    if (!status) status = nudge_fit(m, x, t, 4, "optimizer=sgd(lr=1) epochs=10 validation=0");
    if (!status) status = nudge_predict(m, x, 4, y, 4);
    if (status) std::fprintf(stderr, "%s\n", nudge_message(m, status));
    nudge_free(m);
    return status ? status : epochs == 10 ? 0 : 1;
}
