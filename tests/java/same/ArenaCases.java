package same;
final class ArenaCases { private ArenaCases() {} static void add(Cases cases) {} }
