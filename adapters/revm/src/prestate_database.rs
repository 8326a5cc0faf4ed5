//! The state before the block in prestate mode: what the file's section lists, and nothing else.

use adapter_host::address;
use adapter_host::missing::Missing;
use adapter_host::prestate::{Account, Prestate};
use adapter_host::word::Word;
use alloy_primitives::{Address, B256, U256};
use revm::Database;
use revm::state::{AccountInfo, Bytecode};

use crate::environment::{Environment, Failure};

pub struct PrestateDatabase {
    pub prestate: Prestate,
    environment: Environment,
}

impl PrestateDatabase {
    pub fn new(prestate: Prestate, environment: Environment) -> Self {
        Self { prestate, environment }
    }

    /// What went wrong first, even where the client went on without it.
    pub fn first_failure(&self) -> Option<Failure> {
        self.environment.first_failure()
    }

    fn noted<T>(environment: &mut Environment, found: Result<T, Missing>) -> Result<T, Failure> {
        found.map_err(|missing| environment.note(Failure::Missing(missing)))
    }
}

impl Database for PrestateDatabase {
    type Error = Failure;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, Failure> {
        self.environment.check_wanted()?;
        let found = self.prestate.account(address::Address(address.into_array()));
        let account = Self::noted(&mut self.environment, found)?;
        Ok(account.map(|account: &Account| AccountInfo {
            balance: U256::from_be_bytes(account.balance.0),
            nonce: account.nonce,
            code_hash: B256::from(account.code_hash.0),
            code: None,
            account_id: None,
        }))
    }

    fn code_by_hash(&mut self, code_hash: B256) -> Result<Bytecode, Failure> {
        self.environment.code_by_hash(code_hash)
    }

    /// revm asks for no slot of an account that was created or destroyed in the block: `State` knows that it is zero.
    fn storage(&mut self, address: Address, slot: U256) -> Result<U256, Failure> {
        self.environment.check_wanted()?;
        let found = self.prestate.slot(address::Address(address.into_array()), Word(slot.to_be_bytes()));
        Ok(U256::from_be_bytes(Self::noted(&mut self.environment, found)?.0))
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, Failure> {
        self.environment.block_hash(number)
    }
}
