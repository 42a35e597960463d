import type { TestType } from '@playwright/test';
import type { ConnectOptions, StartOptions, Switchboard } from './index.js';

export interface SwitchboardOptions extends StartOptions, ConnectOptions {
  /** Chromium finds localhost and the server, and nothing else. */
  offline?: boolean;
  /** A microphone that beeps, without a question to anybody; true. */
  fakeMicrophone?: boolean;
  /** Runs once in each worker, when the server is ready; what it returns runs before the server stops. */
  onStart?(switchboard: Switchboard): Promise<(() => unknown) | void> | (() => unknown) | void;
}

export interface SwitchboardFixtures {
  switchboard: Switchboard;
}

export interface SwitchboardWorkerFixtures {
  /** The same switchboard, for fixtures that live as long as the worker. */
  workerSwitchboard: Switchboard;
}

/** Your `test`, with a switchboard for each worker, a Chromium that finds it, and timelines in the reports. */
export function withSwitchboard<T extends object, W extends object>(
  test: TestType<T, W>,
  options?: SwitchboardOptions,
): TestType<T & SwitchboardFixtures, W & SwitchboardWorkerFixtures>;
