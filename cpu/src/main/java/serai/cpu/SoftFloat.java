package serai.cpu;

final class SoftFloat {}
