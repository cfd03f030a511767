// The part of Node.js that the tests use. @types/node would also replace the types of the browser's timers.

declare module 'node:test' {
  type TestFunction = () => void | Promise<void>;
  interface MockTimers {
    enable(options?: { apis?: ('setInterval' | 'setTimeout' | 'Date')[]; now?: number | Date }): void;
    reset(): void;
    tick(milliseconds?: number): void;
    setTime(milliseconds: number): void;
  }
  interface MockedFunction {
    (...args: any[]): any;
    mock: { calls: { arguments: any[] }[]; callCount(): number };
  }
  export function test(name: string, run: TestFunction): Promise<void>;
  export function describe(name: string, run: () => void): Promise<void>;
  export function beforeEach(run: TestFunction): void;
  export function afterEach(run: TestFunction): void;
  export const mock: {
    fn(implementation?: (...args: any[]) => any): MockedFunction;
    method(object: object, name: string, implementation: (...args: any[]) => any): MockedFunction;
    restoreAll(): void;
    timers: MockTimers;
    reset(): void;
  };
}

declare module 'node:timers/promises' {
  export function setImmediate(): Promise<void>;
}

declare module 'node:assert/strict' {
  interface Assert {
    (value: unknown, message?: string): asserts value;
    ok(value: unknown, message?: string): asserts value;
    equal(actual: unknown, expected: unknown, message?: string): void;
    notEqual(actual: unknown, expected: unknown, message?: string): void;
    deepEqual(actual: unknown, expected: unknown, message?: string): void;
    match(value: string, pattern: RegExp, message?: string): void;
    throws(run: () => unknown, expected?: RegExp | object): void;
    rejects(run: Promise<unknown> | (() => Promise<unknown>), expected?: RegExp | object): Promise<void>;
  }
  const assert: Assert;
  export default assert;
}

declare module 'node:fs' {
  export function readFileSync(path: URL, encoding: 'utf8'): string;
  export function readdirSync(path: URL, options?: { recursive: boolean }): string[];
}
