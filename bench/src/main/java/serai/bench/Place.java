package serai.bench;

/** Where a program runs. */
enum Place {
    NATIVE("native"),
    TCG("TCG"),
    SERAI("Serai");

    private final String title;

    Place(String title) {
        this.title = title;
    }

    String title() {
        return title;
    }
}
