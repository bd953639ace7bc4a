// scalar floating point: bodies that attract each other, double precision
#include "lib/program.h"

enum { BODIES = 6, STEPS = 48000 };

static struct body {
    double x, y, z, vx, vy, vz, mass;
} bodies[BODIES];

static void step(double dt) {
    for (int i = 0; i < BODIES; i++) {
        struct body *a = &bodies[i];
        for (int j = i + 1; j < BODIES; j++) {
            struct body *b = &bodies[j];
            double dx = b->x - a->x, dy = b->y - a->y, dz = b->z - a->z;
            double square = dx * dx + dy * dy + dz * dz + 0.01;
            double pull = dt / (square * __builtin_sqrt(square));
            a->vx += dx * b->mass * pull;
            a->vy += dy * b->mass * pull;
            a->vz += dz * b->mass * pull;
            b->vx -= dx * a->mass * pull;
            b->vy -= dy * a->mass * pull;
            b->vz -= dz * a->mass * pull;
        }
    }
    for (int i = 0; i < BODIES; i++) {
        bodies[i].x += dt * bodies[i].vx;
        bodies[i].y += dt * bodies[i].vy;
        bodies[i].z += dt * bodies[i].vz;
    }
}

static double unit(uint64_t *state) {
    return (double) (next(state) >> 11) / 9007199254740992.0 - 0.5; // 53 bits
}

static uint64_t run(int argc, char **argv) {
    (void) argc, (void) argv;
    uint64_t state = 5, sum = 0;
    for (int i = 0; i < BODIES; i++) {
        bodies[i] = (struct body) {8 * unit(&state), 8 * unit(&state), 8 * unit(&state),
                unit(&state), unit(&state), unit(&state), 1 + unit(&state)};
    }
    for (int i = 0; i < STEPS; i++) {
        step(0.001);
    }
    for (int i = 0; i < BODIES; i++) {
        union { double value; uint64_t bits; } x = {bodies[i].x}, v = {bodies[i].vz};
        sum = mix(mix(sum, x.bits), v.bits);
    }
    return sum;
}
