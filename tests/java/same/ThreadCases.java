package same;
final class ThreadCases { private ThreadCases() {} static void add(Cases cases) {} }
