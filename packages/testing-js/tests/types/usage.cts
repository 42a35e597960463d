import midcall = require('@midcall/testing');
import jestKit = require('@midcall/testing/jest');

const board: midcall.Switchboard = jestKit.setUpSwitchboard({ dataDir: '.midcall' });
board.person('alice').then((alice) => alice.saysNothingFor('5s'));
