/*
 * Runs a program of a directory (its argument) for each line of its input, which names it, on the host and as a guest's init
 * alike.
 *
 * Says ENQ when it is ready. For each line then: STX; it waits for an empty line; the program; ETX, and a line with the program's
 * wait status and its output. Whoever watches takes the time when it sends the empty line and when ETX arrives: no clock of the
 * guest's has a part in it, and whatever is late on the way makes the time longer, never shorter.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

/* The same everywhere. */
static char *const environment[] = {"PATH=/usr/bin:/bin", "HOME=/", "LC_ALL=C", NULL};

static void say(const char *text) {
    if (write(1, text, strlen(text)) < 0) {
        _exit(1);
    }
    tcdrain(1); // out of the serial port before anything else is done; fails on a pipe, which needs none
}

static void serve(const char *name) {
    char path[300];
    char output[64];
    size_t have = 0;
    int ends[2];
    int status = -1;
    snprintf(path, sizeof path, "./%s", name);
    if (pipe(ends) != 0) {
        _exit(1);
    }
    say("\002");
    if (fgets(output, sizeof output, stdin) == NULL) {
        _exit(1);
    }
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], 1);
        close(ends[0]);
        close(ends[1]);
        execle(path, path, (char *) NULL, environment);
        _exit(127);
    }
    close(ends[1]);
    ssize_t n;
    while ((n = read(ends[0], output + have, sizeof output - 1 - have)) > 0) {
        have += (size_t) n;
    }
    waitpid(child, &status, 0);
    say("\003");
    close(ends[0]);
    output[have] = 0;
    output[strcspn(output, "\n")] = 0;
    char line[100];
    snprintf(line, sizeof line, "%d %s\n", status, output);
    say(line);
}

int main(int argc, char **argv) {
    if (getpid() == 1) {
        mkdir("/proc", 0555);
        mount("proc", "/proc", "proc", 0, NULL); // unless it is there
        mount("tmpfs", "/tmp", "tmpfs", 0, NULL); // for programs on a disk that is not written to
    }
    if (argc > 1 && chdir(argv[1]) != 0) {
        return 1;
    }
    struct termios terminal;
    if (tcgetattr(0, &terminal) == 0) {
        terminal.c_lflag &= ~(tcflag_t) ECHO;
        tcsetattr(0, TCSANOW, &terminal);
    }
    say("\005");
    char name[256];
    while (fgets(name, sizeof name, stdin) != NULL) {
        name[strcspn(name, "\r\n")] = 0;
        serve(name);
    }
    return 0;
}
