-- Lanes that somebody has paused, or that wait because their destination fails: few, and nobody comes by them for long.
create index lane_held on lane(hold_until) where hold_until > 0;
