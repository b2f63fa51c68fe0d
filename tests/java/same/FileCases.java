package same;
final class FileCases { private FileCases() {} static void add(Cases cases) {} }
