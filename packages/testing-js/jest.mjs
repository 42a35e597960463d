import kit from './jest.js';

export const { setUpSwitchboard } = kit;
