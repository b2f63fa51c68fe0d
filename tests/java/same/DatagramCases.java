package same;
final class DatagramCases { private DatagramCases() {} static void add(Cases cases) {} }
